"""nsp train: weights from a folder of noisy photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nsp_cli.commands import options
from nsp_cli.commands import train_options as own
from nsp_cli.errors import OutputError

if TYPE_CHECKING:
    from nsp_cli.publish import Stock
    from nsp_cli.training.recipe import Recipe
    from nsp_cli.training.start import Start

DEFAULT_MINUTES = 60.0
NOTHING = "nothing"


def train(
    folders: own.Folders,
    output: own.Output = None,
    minutes: own.Minutes = None,
    steps: own.Steps = None,
    start: own.Start = "auto",
    network: own.Network = None,
    recipe: own.Recipe = own.RecipeName.AUTO,
    learning_rate: own.LearningRate = None,
    crop: own.Crop = None,
    batch: own.Batch = None,
    pd_factor: own.PdFactor = "auto",
    group_by: own.Group = None,
    validate: own.Validate = None,
    seed: own.Seed = 0,
    licence: own.Licence = "",
    resume: own.Resume = False,
    overwrite: own.Overwrite = False,
    device: options.Device = "auto",
) -> None:
    """Train weights on noisy photos alone; no clean picture is needed."""
    from nsp_cli.commands.train_run import TrainRequest, run_training
    from nsp_cli.device import choose_device
    from nsp_cli.training.recipe import Budget

    if network is not None and start != NOTHING:
        raise typer.BadParameter("--network is for --from nothing; other weights bring their network")
    output = output or Path(f"{folders[0].resolve().name}.safetensors")
    _check_output(output, overwrite, resume)
    if minutes is None and steps is None:
        minutes = DEFAULT_MINUTES
    begin, stock = _begin(start, network)
    changes = {"learning_rate": learning_rate, "crop": crop, "batch": batch}
    changes |= {} if pd_factor == "auto" else {"pd_factor": int(pd_factor)}
    request = TrainRequest(
        folders=folders,
        output=output,
        budget=Budget(steps, minutes),
        start=begin,
        stock=stock,
        recipe=_choose_recipe(recipe, begin, changes),
        group_by=group_by.value if group_by else None,
        validate=validate,
        seed=seed,
        licence=licence,
        resume=resume,
    )
    run_training(request, choose_device(device))


def _check_output(output: Path, overwrite: bool, resume: bool) -> None:
    from nsp_cli.publish import check_free

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


def _begin(start: str, network: own.NetworkName | None) -> tuple[Start, Stock]:
    """Returns where the run starts, and the weights that its result is compared with."""
    from nsp_cli.publish import Stock
    from nsp_cli.training.start import start_anew, start_from
    from nsp_cli.weights import resolve

    stock = resolve("auto" if start == NOTHING else start)
    if start == NOTHING:
        begin = start_anew((network or own.NetworkName.LIGHT).value)
    else:
        begin = start_from(stock.path, stock.name)
    return begin, Stock(stock.name, stock.path)


def _choose_recipe(name: own.RecipeName, start: Start, changes: dict[str, Any]) -> Recipe:
    from nsp_cli.training.recipe import RECIPES

    automatic = "fine-tune" if start.weights else "default"
    recipe = RECIPES[automatic if name is own.RecipeName.AUTO else name.value]
    return replace(recipe, **{name: value for name, value in changes.items() if value is not None})
