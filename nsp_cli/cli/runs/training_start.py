"""How nsp train and nsp distill begin: what is checked before anything takes time."""

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
    """Returns the file to write, named after the first folder where none was given; makes its folder.

    Raises:
        OutputError: It has another suffix, exists, or its folder cannot be made.
    """
    from nsp_cli.training.publish import check_free

    output = output or Path(f"{folders[0].resolve().name}.safetensors")
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: weights are written as .safetensors", "Give a name that ends so.")
    if not overwrite:
        check_free(output, resume=resume)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{output.parent}: this folder cannot be made ({error.strerror})", "Choose another place."
        ) from error
    return output


def budget_of(minutes: float | None, steps: int | None) -> Budget:
    """Returns the budget that was given, else an hour."""
    from nsp_cli.training.run.recipe import Budget

    return Budget(steps, DEFAULT_MINUTES if minutes is None and steps is None else minutes)


def stock_of(model: str) -> NamedWeights:
    """Finds weights that a run starts from, learns from or is compared with.

    Raises:
        WeightsError: As for `resolve`.
    """
    from nsp_cli.training.publish import NamedWeights
    from nsp_cli.weights.resolve import resolve

    found = resolve(model)
    return NamedWeights(found.name, found.path)


def begin_student(start: str, *, x2: bool) -> tuple[StartingPoint, NamedWeights]:
    """Returns where a student starts, and the weights that it is compared with.

    Raises:
        WeightsError: The weights cannot be found.
        typer.BadParameter: They are no student's, or enlarge where none was asked for.
    """
    from nsp_cli.training.run.starting_point import start_enlarging, start_from_file, start_from_random

    stock = stock_of(("auto-upscale" if x2 else "auto") if start in ("auto", NOTHING) else start)
    if start == NOTHING:
        return start_from_random("fast-x2" if x2 else "fast"), stock
    begin = start_from_file(stock.path, stock.name)
    spec = begin.config.spec()
    if not spec.is_noise_conditioned:
        raise typer.BadParameter(f"{stock.name} is no student; start from one, or --from nothing")
    if spec.scale == 2 and not x2:
        raise typer.BadParameter(f"{stock.name} enlarges; give --x2")
    return (start_enlarging(begin) if x2 and spec.scale == 1 else begin), stock
