"""nsp train: weights from folders of noisy photos."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.panels import flag
from nsp_cli.cli.options.training import MethodOptions, NetworkOptions, TrainingOptions
from nsp_cli.cli.workflows.training_start import NOTHING, budget_of, check_output, named_weights

if TYPE_CHECKING:
    from nsp_cli.training.publish import NamedWeights
    from nsp_cli.training.run.recipe import BlindSpotRecipe
    from nsp_cli.training.run.starting_point import StartingPoint


@grouped
def train(
    *,
    student: Annotated[
        bool,
        flag(
            "--student",
            help="Spend half of the time on a teacher and half on its fast student, which becomes FILE. "
            "The options under Method apply to the teacher.",
        ),
    ] = False,
    network: NetworkOptions,
    method: MethodOptions,
    options: TrainingOptions,
) -> None:
    """Train a network on your own noisy photos. No clean photos are needed."""
    from nsp_cli.cli.workflows.training import TrainRequest, run_training
    from nsp_cli.device import choose_device

    _check(options, network, student=student)
    output = check_output(options.output, options.folders, overwrite=options.overwrite, resume=options.resume)
    begin, baseline = _begin(options.start, network)
    request = TrainRequest(
        folders=options.folders,
        output=output,
        budget=budget_of(options.minutes, options.steps),
        start=begin,
        baseline=baseline,
        recipe=_choose_recipe(begin, options, method),
        teacher=None,
        group_by=options.group_by,
        validate=options.validate,
        seed=options.seed,
        licence=options.licence,
        resume=options.resume,
        is_batch_free=options.batch is None and method.recipe != "paper",
    )
    if student:
        from nsp_cli.cli.workflows.training_student import train_student

        train_student(request, choose_device(options.device), overwrite=options.overwrite)
    else:
        run_training(request, choose_device(options.device))


def _check(options: TrainingOptions, network: NetworkOptions, *, student: bool) -> None:
    if (network.network or network.scaling_factor) and options.start != NOTHING:
        raise typer.BadParameter(
            "--network and --scaling-factor need --from nothing. Other weights define their network."
        )
    if student and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise typer.BadParameter("--student does not work with torchrun. Run nsp train, then nsp distill.")
    if student and options.start == NOTHING:
        raise typer.BadParameter("--student cannot start from random weights. Leave out --from nothing.")


def _begin(start: str, network: NetworkOptions) -> tuple[StartingPoint, NamedWeights]:
    """Where the run starts, and the weights to compare its result with."""
    from nsp_cli.training.run.starting_point import start_from_file, start_from_random

    baseline = named_weights("auto-blind-spot" if start in ("auto", NOTHING) else start)
    if start == NOTHING:
        return start_from_random(network.network or "light", t=network.scaling_factor), baseline
    begin = start_from_file(baseline.path, baseline.name)
    if not begin.config.spec().is_blind_spot:
        raise typer.BadParameter(f"{start} is no blind-spot network. Students are trained with nsp distill.")
    return begin, baseline


def _choose_recipe(start: StartingPoint, options: TrainingOptions, method: MethodOptions) -> BlindSpotRecipe:
    from nsp_cli.training.data.pairs import max_targets
    from nsp_cli.training.run.recipe import RECIPES

    automatic = "fine-tune" if start.weights else "default"
    recipe = RECIPES[automatic if method.recipe == "auto" else method.recipe]
    recipe = replace(recipe, **_changes(options, method))
    t = start.config.spec().scale
    room = max_targets(recipe.pd_factor, t, recipe.strategy)
    if recipe.targets > room:
        raise typer.BadParameter(
            f"--targets {recipe.targets} is too many: patches of {recipe.pd_factor}×{recipe.pd_factor} "
            f"pixels have room for {room} {recipe.strategy} targets of {t}×{t}."
        )
    return recipe


def _changes(options: TrainingOptions, method: MethodOptions) -> dict[str, Any]:
    """Settings of the recipe that the options change."""
    asked = {
        "learning_rate": options.learning_rate,
        "batch": options.batch,
        "crop": method.crop,
        "pd_factor": None if method.pd_factor == "auto" else int(method.pd_factor),
        "targets": method.targets,
        "strategy": method.strategy,
    }
    return {name: value for name, value in asked.items() if value is not None}
