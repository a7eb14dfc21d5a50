"""The training loop: runs a trainer until its budget is used, saves checkpoints and stops on request."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nsp_cli.errors import TrainingError
from nsp_cli.training.run.interrupt import StopRequest, deferred_interrupts
from nsp_cli.training.run.prefetching import Prefetcher
from nsp_cli.training.run.recipe import Budget
from nsp_cli.training.run.trainer import Trainer

CHECKPOINT_EVERY_SECONDS = 120.0
# Threads that draw data; more of them would wait for each other.
_DRAW_THREADS = min(6, max(2, (os.cpu_count() or 2) // 4))


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a run.

    Attributes:
        step: Number of steps done.
        share: Used share of the budget, in [0, 1].
        loss: Recent mean loss; NaN until it is known.
        left: Seconds of training that are left, about.
        waited: Share of the time in which the device waited for data.
    """

    step: int
    share: float
    loss: float
    left: float
    waited: float


def run(
    trainer: Trainer,
    budget: Budget,
    *,
    checkpoint: Path | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY_SECONDS,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    on_save: Callable[[], None] | None = None,
) -> None:
    """Trains until the budget is used up.

    Args:
        trainer: New or resumed run.
        budget: Length of the whole run; a resumed run counts its earlier steps and minutes.
        checkpoint: File that is written every two minutes, at the end, after Ctrl-C or SIGTERM, and when the
            loss is no longer finite.
        checkpoint_every: Seconds of training between checkpoints.
        on_progress: Called after every step.
        on_save: Called after every checkpoint, in all processes.

    Raises:
        KeyboardInterrupt: The user asked to stop. The step is finished and saved.
        TrainingError: The loss is no longer finite. The last good state is saved.
    """
    if budget.pays_compilation:
        trainer.compile()
    with deferred_interrupts() as stop_request:
        loop = _Loop(trainer, budget, checkpoint, checkpoint_every, on_progress, on_save)
        try:
            loop.run(stop_request)
        except TrainingError:
            # All processes find a loss that is not finite. Any other error may have met this process alone;
            # reading the loss would then wait forever for the others.
            if trainer.is_loss_read or trainer.processes.size == 1:
                loop.save()
            raise
        loop.save()
    if stop_request.is_set:
        raise KeyboardInterrupt


class _Loop:
    def __init__(
        self,
        trainer: Trainer,
        budget: Budget,
        checkpoint: Path | None,
        checkpoint_every: float,
        on_progress: Callable[[TrainingProgress], None] | None,
        on_save: Callable[[], None] | None,
    ) -> None:
        self._trainer, self._budget = trainer, budget
        self._on_progress, self._on_save = on_progress, on_save
        self._checkpoint, self._checkpoint_every = checkpoint, checkpoint_every
        self._saved = trainer.seconds

    def run(self, stop_request: StopRequest) -> None:
        trainer = self._trainer
        share = self._used_share(stop_request)
        with Prefetcher(trainer.draw, trainer.step, ahead=_DRAW_THREADS + 1, threads=_DRAW_THREADS) as crops:
            while share < 1:
                begin, waited = time.monotonic(), crops.waited
                trainer.train_step(crops.take(), share)
                trainer.seconds += time.monotonic() - begin
                trainer.waited += crops.waited - waited
                if self._on_progress:
                    self._on_progress(self._describe())
                share = self._used_share(stop_request)
                # `trainer.seconds` is the same in all processes here. Saving averages the loss over all of
                # them, so all must save after the same step.
                if trainer.seconds - self._saved > self._checkpoint_every:
                    self.save()

    def _used_share(self, stop_request: StopRequest) -> float:
        """Used share of the budget; infinite if any process was asked to stop."""
        trainer = self._trainer
        trainer.seconds, stop = trainer.processes.largest(trainer.seconds, float(stop_request.is_set))
        if stop:  # so that no process takes this for the end of the run
            stop_request.is_set = True
        return math.inf if stop else self._budget.progress(trainer.step, trainer.seconds)

    def _describe(self) -> TrainingProgress:
        trainer = self._trainer
        share = min(1.0, self._budget.progress(trainer.step, trainer.seconds))
        left = self._budget.seconds_left(trainer.step, trainer.seconds)
        return TrainingProgress(trainer.step, share, trainer.curve.recent, left, trainer.waited_share)

    def save(self) -> None:
        if self._checkpoint:
            self._trainer.save(self._checkpoint)
            if self._on_save:
                self._on_save()
        self._saved = self._trainer.seconds
