"""nsp train --student: trains a teacher on the photos, then a student of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.cli.workflows.training import TrainRequest, run_training
from nsp_cli.cli.workflows.training_start import begin_student
from nsp_cli.training.publish import NamedWeights, check_free
from nsp_cli.training.run.recipe import FINE_TUNE_STUDENT_RECIPE, Budget
from nsp_cli.weights.file import describe_weights

if TYPE_CHECKING:
    import torch


def teacher_beside(output: Path) -> Path:
    """Path of the teacher's weights, next to the student's."""
    return output.with_name(f"{output.stem}-teacher.safetensors")


def train_student(request: TrainRequest, device: torch.device, *, overwrite: bool) -> None:
    """Trains a teacher for half of the budget and a student for the other half.

    If the new teacher is not found better, the student learns from the baseline teacher. A resumed run does
    not train an existing teacher again.

    Args:
        request: Training of the teacher, with the student's output and the whole budget.
        device: Where both are trained.
        overwrite: Replace an existing teacher.

    Raises:
        NspError: As in training; or the teacher's weights already exist.
        KeyboardInterrupt: The user stopped the run. Its checkpoint is saved.
    """
    path, resume = teacher_beside(request.output), request.resume
    half = _halved(request.budget)
    first = replace(request, output=path, budget=half)
    if not (resume and path.exists()):
        if not overwrite:
            check_free(path, resume=resume)
        run_training(replace(first, resume=resume and first.checkpoint.exists()), device)
    teacher = _choose_teacher(path, request.baseline)
    console.say(f"The student learns from {teacher.name}.")
    start, baseline = begin_student("auto", x2=False)
    second = replace(
        request, budget=half, start=start, baseline=baseline, recipe=FINE_TUNE_STUDENT_RECIPE, teacher=teacher
    )
    run_training(replace(second, resume=resume and second.checkpoint.exists()), device)


def _halved(budget: Budget) -> Budget:
    steps, minutes = budget.steps, budget.minutes
    return Budget(steps and max(1, steps // 2), minutes and minutes / 2)


def _choose_teacher(path: Path, baseline: NamedWeights) -> NamedWeights:
    is_better = describe_weights(path).metadata.get("recommended") == "yes"
    return NamedWeights(path.stem, path) if is_better else baseline
