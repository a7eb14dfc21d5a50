"""nsp distill: a fast student from a blind-spot teacher and noisy photos."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from nsp_cli.cli.options import common as options
from nsp_cli.cli.options import training as own
from nsp_cli.cli.runs.training_start import begin_student, budget_of, check_output, stock_of


def distill(
    folders: own.Folders,
    output: own.Output = None,
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher",
            "-t",
            metavar="MODEL",
            help="Weights to learn from: blind-spot ones, or a student for another round.",
            show_default="nsp-light",
        ),
    ] = "auto-blind-spot",
    x2: Annotated[bool, typer.Option("--x2", help="A student that enlarges twofold.")] = False,
    minutes: own.Minutes = None,
    steps: own.Steps = None,
    start: own.Start = "auto",
    learning_rate: own.LearningRate = None,
    batch: own.Batch = None,
    group_by: own.Group = None,
    validate: own.Validate = None,
    seed: own.Seed = 0,
    licence: own.Licence = "",
    resume: own.Resume = False,
    overwrite: own.Overwrite = False,
    device: options.Device = "auto",
) -> None:
    """Train a fast student on noisy photos, as a teacher sees them; no clean picture is needed."""
    from nsp_cli.cli.runs.training import TrainRequest, run_training
    from nsp_cli.device import choose_device
    from nsp_cli.training.run.recipe import FINE_TUNE_STUDENT_RECIPE, StudentRecipe

    output = check_output(output, folders, overwrite=overwrite, resume=resume)
    begin, stock = begin_student(start, x2=x2)
    recipe = FINE_TUNE_STUDENT_RECIPE if begin.weights else StudentRecipe()
    changes: dict[str, Any] = {"learning_rate": learning_rate, "batch": batch}
    request = TrainRequest(
        folders=folders,
        output=output,
        budget=budget_of(minutes, steps),
        start=begin,
        stock=stock,
        recipe=replace(recipe, **{name: value for name, value in changes.items() if value is not None}),
        teacher=stock_of(teacher),
        group_by=group_by.value if group_by else None,
        validate=validate,
        seed=seed,
        licence=licence,
        resume=resume,
    )
    run_training(request, choose_device(device))
