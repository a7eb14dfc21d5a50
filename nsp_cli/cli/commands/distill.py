"""nsp distill: a fast student from a blind-spot teacher and noisy photos."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.panels import flag
from nsp_cli.cli.options.training import TrainingOptions
from nsp_cli.cli.workflows.training_start import begin_student, budget_of, check_output, named_weights

if TYPE_CHECKING:
    from nsp_cli.training.publish import NamedWeights


@grouped
def distill(
    *,
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher",
            "-t",
            metavar="MODEL",
            help="Weights to learn from: a blind-spot network, or a student for another round.",
            show_default="nsp-light",
        ),
    ] = "auto-blind-spot",
    x2: Annotated[bool, flag("--x2", help="Train a student that doubles width and height.")] = False,
    options: TrainingOptions,
) -> None:
    """Train a fast student network to imitate a slower teacher. No clean photos are needed."""
    from nsp_cli.cli.workflows.training import run_training
    from nsp_cli.cli.workflows.training_request import TrainRequest
    from nsp_cli.device import choose_device
    from nsp_cli.training.run.recipe import FINE_TUNE_STUDENT_RECIPE, StudentRecipe

    output = check_output(options.output, options.folders, overwrite=options.overwrite, resume=options.resume)
    begin, baseline = begin_student(options.start, x2=x2)
    recipe = FINE_TUNE_STUDENT_RECIPE if begin.weights else StudentRecipe()
    changes: dict[str, Any] = {"learning_rate": options.learning_rate, "batch": options.batch}
    request = TrainRequest(
        folders=options.folders,
        output=output,
        budget=budget_of(options.minutes, options.steps),
        start=begin,
        baseline=baseline,
        recipe=replace(recipe, **{name: value for name, value in changes.items() if value is not None}),
        teacher=_teacher(teacher),
        group_by=options.group_by,
        validate=options.validate,
        seed=options.seed,
        licence=options.licence,
        resume=options.resume,
    )
    run_training(request, choose_device(options.device))


def _teacher(model: str) -> NamedWeights:
    """Weights to learn from."""
    from nsp_cli.weights.file import describe_weights

    weights = named_weights(model)
    if describe_weights(weights.path).config.spec().is_raw:
        raise typer.BadParameter(f"{weights.name} is for camera RAW and cannot teach.")
    return weights
