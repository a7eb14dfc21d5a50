"""nsp train: weights from a folder of noisy photos."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from nsp_cli.cli.options import common as options
from nsp_cli.cli.options import training as own
from nsp_cli.cli.runs.training_start import NOTHING, budget_of, check_output, stock_of

if TYPE_CHECKING:
    from nsp_cli.training.publish import NamedWeights
    from nsp_cli.training.run.recipe import BlindSpotRecipe
    from nsp_cli.training.run.starting_point import StartingPoint


def train(
    folders: own.Folders,
    output: own.Output = None,
    minutes: own.Minutes = None,
    steps: own.Steps = None,
    start: own.Start = "auto",
    network: own.Network = None,
    student: own.Student = False,
    recipe: own.Recipe = own.RecipeName.AUTO,
    learning_rate: own.LearningRate = None,
    crop: own.Crop = None,
    batch: own.Batch = None,
    pd_factor: own.PdFactor = "auto",
    targets: own.Targets = None,
    strategy: own.StrategyOf = None,
    scaling_factor: own.ScalingFactor = None,
    group_by: own.Group = None,
    validate: own.Validate = None,
    seed: own.Seed = 0,
    licence: own.Licence = "",
    resume: own.Resume = False,
    overwrite: own.Overwrite = False,
    device: options.Device = "auto",
) -> None:
    """Train weights on noisy photos alone; no clean picture is needed."""
    from nsp_cli.cli.runs.training import TrainRequest, run_training
    from nsp_cli.device import choose_device

    if (network or scaling_factor) and start != NOTHING:
        raise typer.BadParameter(
            "--network and --scaling-factor are for --from nothing; other weights bring their network"
        )
    if student and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise typer.BadParameter("with torchrun, give nsp train and then nsp distill")
    if student and start == NOTHING:
        raise typer.BadParameter("--student starts from stock weights; leave --from nothing out")
    output = check_output(output, folders, overwrite=overwrite, resume=resume)
    begin, stock = _begin(start, network, scaling_factor)
    changes: dict[str, Any] = {
        "learning_rate": learning_rate,
        "crop": crop,
        "batch": batch,
        "targets": targets,
    }
    changes |= {} if pd_factor == "auto" else {"pd_factor": int(pd_factor)}
    changes |= {"strategy": strategy.value} if strategy else {}
    request = TrainRequest(
        folders=folders,
        output=output,
        budget=budget_of(minutes, steps),
        start=begin,
        stock=stock,
        recipe=_choose_recipe(recipe, begin, changes),
        teacher=None,
        group_by=group_by.value if group_by else None,
        validate=validate,
        seed=seed,
        licence=licence,
        resume=resume,
        is_batch_free=batch is None and recipe is not own.RecipeName.PAPER,
    )
    if student:
        from nsp_cli.cli.runs.training_student import train_student

        train_student(request, choose_device(device), overwrite=overwrite)
    else:
        run_training(request, choose_device(device))


def _begin(start: str, network: own.NetworkName | None, t: int | None) -> tuple[StartingPoint, NamedWeights]:
    """Returns where the run starts, and the weights that its result is compared with."""
    from nsp_cli.training.run.starting_point import start_from_file, start_from_random

    stock = stock_of("auto-blind-spot" if start in ("auto", NOTHING) else start)
    if start == NOTHING:
        return start_from_random((network or own.NetworkName.LIGHT).value, t=t), stock
    begin = start_from_file(stock.path, stock.name)
    if not begin.config.spec().is_blind_spot:
        raise typer.BadParameter(f"{start} is a student; nsp distill trains those")
    return begin, stock


def _choose_recipe(name: own.RecipeName, start: StartingPoint, changes: dict[str, Any]) -> BlindSpotRecipe:
    from nsp_cli.training.data.pairs import max_targets
    from nsp_cli.training.run.recipe import RECIPES

    automatic = "fine-tune" if start.weights else "default"
    recipe = RECIPES[automatic if name is own.RecipeName.AUTO else name.value]
    recipe = replace(recipe, **{name: value for name, value in changes.items() if value is not None})
    t = start.config.spec().scale
    room = max_targets(recipe.pd_factor, t, recipe.strategy)
    if recipe.targets > room:
        raise typer.BadParameter(
            f"--targets {recipe.targets} do not fit: patches of {recipe.pd_factor}×{recipe.pd_factor} pixels "
            f"have room for {room} {recipe.strategy} targets of {t}×{t}"
        )
    return recipe
