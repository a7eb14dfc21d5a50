"""Start of nsp train and nsp distill: what is checked before anything takes time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nsp_cli.errors import OutputError

if TYPE_CHECKING:
    from nsp_cli.training.publish import NamedWeights
    from nsp_cli.training.run.recipe import Budget
    from nsp_cli.training.run.starting_point import StartingPoint

DEFAULT_MINUTES = 60.0
NOTHING = "nothing"


def check_output(output: Path | None, folders: Sequence[Path], *, overwrite: bool, resume: bool) -> Path:
    """The weights file to write, by default named after the first folder; creates its folder.

    Raises:
        OutputError: The file has another suffix or exists, or its folder cannot be created or written into.
    """
    from nsp_cli.files import check_takes_files, make_folder
    from nsp_cli.training.publish import check_free

    output = output or Path(f"{folders[0].resolve().name}.safetensors")
    if output.suffix != ".safetensors":
        raise OutputError(
            f"{output} is not the name of a weights file.", "Use a name ending in .safetensors."
        )
    if not (overwrite or resume):  # a resumed run goes on with what it wrote
        check_free(output)
    make_folder(output.parent)
    check_takes_files(output.parent)
    return output


def budget_of(minutes: float | None, steps: int | None) -> Budget:
    """The time or steps of a run: as given, otherwise an hour."""
    from nsp_cli.training.run.recipe import Budget

    return Budget(steps, DEFAULT_MINUTES if minutes is None and steps is None else minutes)


def named_weights(model: str) -> NamedWeights:
    """Weights that a run starts from, learns from or is compared with.

    Raises:
        WeightsError: As for `resolve`.
    """
    from nsp_cli.training.publish import NamedWeights
    from nsp_cli.weights.resolve import resolve

    found = resolve(model)
    return NamedWeights(found.name, found.path)


def begin_student(start: str, *, x2: bool) -> tuple[StartingPoint, NamedWeights]:
    """Where a student starts, and the weights to compare it with.

    Raises:
        WeightsError: The weights cannot be found.
        typer.BadParameter: The weights are not a student's, or enlarge although --x2 was not given.
    """
    from nsp_cli.training.run.starting_point import start_enlarging, start_from_file, start_from_random

    baseline = named_weights(("auto-upscale" if x2 else "auto") if start in ("auto", NOTHING) else start)
    if start == NOTHING:
        return start_from_random("fast-x2" if x2 else "fast"), baseline
    begin = start_from_file(baseline.path, baseline.name)
    spec = begin.config.spec()
    if not spec.is_noise_conditioned:
        raise typer.BadParameter(
            f"{baseline.name} is not a student. Start from a student, or use --from nothing."
        )
    if spec.scale == 2 and not x2:
        raise typer.BadParameter(f"{baseline.name} enlarges. Add --x2.")
    return (start_enlarging(begin) if x2 and spec.scale == 1 else begin), baseline
