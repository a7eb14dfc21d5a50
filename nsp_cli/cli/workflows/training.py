"""What nsp train and nsp distill do after reading their options: train, publish and report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.api import load_weights
from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.workflows.training_data import get_ready, opened_cache
from nsp_cli.cli.workflows.training_raw import get_raw_ready
from nsp_cli.cli.workflows.training_request import TrainRequest, settle_recipe
from nsp_cli.device import describe_device
from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.ops.progress import counted
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.publish import (
    Material,
    publish,
    seconds_to_judge,
)
from nsp_cli.training.run.distributed import ProcessGroup, joined_process_group
from nsp_cli.training.run.loop import TrainingProgress, run
from nsp_cli.training.run.recipe import Budget, RawAdaptationRecipe
from nsp_cli.training.run.task import Task
from nsp_cli.training.run.trainer import Trainer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def run_training(request: TrainRequest, device: torch.device) -> None:
    """Trains, alone or as one of the processes that torchrun started.

    Raises:
        NspError: As its steps do.
        KeyboardInterrupt: The user stopped the run. Its checkpoint is saved.
    """
    begun = time.monotonic()
    with joined_process_group(device) as processes, nullcontext() if processes.is_main else console.silent():
        device = processes.device(device)
        if request.reason:
            console.say(request.reason)
        # Before any photo is decoded, because these may find that the run cannot start.
        recipe = settle_recipe(request, processes, device)
        pairs = _read_pairs(request.validate) if request.validate and processes.is_main else []
        with opened_cache(request, recipe, processes) as cache:
            if isinstance(recipe, RawAdaptationRecipe):
                task, material = get_raw_ready(request, recipe, cache, processes, device)
            else:
                task, material = get_ready(request, recipe, pairs, cache, processes, device)
            trainer = _make_trainer(request, task, processes, device)
            budget = _budget_of_training(request, begun, material, processes, device)
            _train(trainer, budget, request, cache)
            if processes.is_main:
                _publish(trainer, request, material)


def _read_pairs(folders: tuple[Path, Path]) -> list[tuple[Tensor, Tensor]]:
    return [read_pair(*pair) for pair in find_pairs(*folders)]


def _budget_of_training(
    request: TrainRequest, begun: float, material: Material, processes: ProcessGroup, device: torch.device
) -> Budget:
    """The budget, less the time for everything but the training. A teacher's time is not counted."""
    budget = request.budget
    if budget.minutes is None or request.teacher:
        return budget
    restorer = load_weights(str(request.baseline.path), device=str(device))
    (elsewhere,) = processes.largest(time.monotonic() - begun + seconds_to_judge(restorer, material))
    return replace(budget, elsewhere=elsewhere)


def _make_trainer(
    request: TrainRequest, task: Task, processes: ProcessGroup, device: torch.device
) -> Trainer:
    trainer = Trainer(
        task,
        network_name=request.start.network_name,
        config=request.start.config,
        seed=request.seed,
        device=device,
        initial=request.start.weights,
        processes=processes,
    )
    if request.resume:
        trainer.resume(request.checkpoint)
    return trainer


def _train(trainer: Trainer, budget: Budget, request: TrainRequest, cache: PhotoCache) -> None:
    many = f" in {trainer.processes.size} processes" if trainer.processes.size > 1 else ""
    console.say(
        f"Training from {request.start.origin} on {describe_device(trainer.device)}{many}; "
        f"checkpoints go to {request.checkpoint}"
    )
    with _saying_how_to_continue(request.checkpoint), progress_bars.live_progress("Training") as show:
        run(
            trainer,
            budget,
            checkpoint=request.checkpoint,
            on_progress=lambda now: show(now.share, _describe(now)),
            on_save=cache.touch,
        )


@contextmanager
def _saying_how_to_continue(checkpoint: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.exists():
            console.say(f"To continue from {checkpoint}, run the same command with --resume.")
        raise


def _describe(now: TrainingProgress) -> str:
    return f"step {now.step} · loss {now.loss:.4f} · {now.left / 60:.0f} min left"


def _publish(trainer: Trainer, request: TrainRequest, material: Material) -> None:
    console.say(
        f"{counted(trainer.step, 'step')} in {trainer.seconds / 60:.1f} minutes, "
        f"{trainer.waited_share:.1%} of that time waiting for photos"
    )
    with (
        _saying_how_to_continue(request.checkpoint),
        progress_bars.progress(f"Comparing with {request.baseline.name}") as on_progress,
    ):
        published = publish(trainer, request.output, request.baseline, material, on_progress)
    for measure in published.judgement.measures if published.judgement else ():
        console.say(f"  {measure.title}: {measure.show(measure.before)} → {measure.show(measure.after)}")
    console.say(published.verdict)
    console.say(f"Look at {published.page}")
    console.out.print(str(published.weights))
