"""How nsp train and nsp distill begin: what is checked before anything takes time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.errors import OutputError

if TYPE_CHECKING:
    from nsp_cli.publish import Stock
    from nsp_cli.training.recipe import Budget

DEFAULT_MINUTES = 60.0
NOTHING = "nothing"


def check_output(output: Path | None, folders: Sequence[Path], *, overwrite: bool, resume: bool) -> Path:
    """Returns the file to write, named after the first folder where none was given; makes its folder.

    Raises:
        OutputError: It has another suffix, exists, or its folder cannot be made.
    """
    from nsp_cli.publish import check_free

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
    from nsp_cli.training.recipe import Budget

    return Budget(steps, DEFAULT_MINUTES if minutes is None and steps is None else minutes)


def stock_of(model: str) -> Stock:
    """Finds weights that a run starts from, learns from or is compared with.

    Raises:
        WeightsError: As for `resolve`.
    """
    from nsp_cli.publish import Stock
    from nsp_cli.weights import resolve

    found = resolve(model)
    return Stock(found.name, found.path)
