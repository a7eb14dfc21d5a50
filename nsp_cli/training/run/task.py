"""The interface between the trainer and its tasks: blind-spot networks, students, noise estimators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from nsp_cli.training.run.recipe import BaseRecipe

LEAST_ERROR = 0.8 / 255
"""Error that a student's loss does not look below, 0.8 levels: an 8-bit picture is rounded by 0.3 levels."""


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Inputs and targets of one step, on the device.

    Attributes:
        inputs: Arguments of the network; the first dimension of each is B.
        targets: (B, 3, H, W) in [0, 1], or (B, 6, H, W) noise maps.
        before: Mean squared error of each sample before the network, (B,), where the loss is that of
            students; None for absolute errors.
        lean: How much more errors below the target count than those above: 1 + lean and 1 − lean.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    before: Tensor | None = None
    lean: float = 0.0

    def __len__(self) -> int:
        """Number of samples B."""
        return len(self.targets)

    def split(self, size: int) -> list[TrainingBatch]:
        """Parts of at most `size` samples, nearly equal, because the network is compiled for each size."""
        size = -(-len(self) // -(-len(self) // size))
        places = [slice(start, start + size) for start in range(0, len(self), size)]
        return [
            replace(
                self,
                inputs=tuple(given[place] for given in self.inputs),
                targets=self.targets[place],
                before=None if self.before is None else self.before[place],
            )
            for place in places
        ]

    def loss(self, predicted: Tensor) -> Tensor:
        """Mean absolute error (Eq. 4), leaning or not, or the loss of students.

        A student's loss is the logarithm of each sample's error, as PSNR is: a tenth less error counts the
        same in strong and in mild noise. What is worse than the picture was before costs twice.
        """
        differences = predicted.float() - self.targets
        if self.before is None:
            return (differences.abs() - self.lean * differences).mean()
        after, before = (_logarithm(one) for one in (differences.square().mean((1, 2, 3)), self.before))
        return (after + (after - before).relu()).mean()


def _logarithm(squared_error: Tensor) -> Tensor:
    """Natural logarithm of an error over the least one; 0 without any."""
    return (squared_error / LEAST_ERROR**2).log1p() / 2


class Task(Protocol):
    """Source of a trainer's batches.

    All random numbers depend only on the seed, the step and the sample's number in the batch over all
    processes. A resumed run therefore draws the same samples as an unbroken one, and several processes draw
    the same samples as one.
    """

    @property
    def recipe(self) -> BaseRecipe:
        """Recipe of the run."""

    @property
    def pd_factor(self) -> int | None:
        """PD factor s of the blind-spot pairs; None for other tasks."""

    @property
    def checksum(self) -> int:
        """Checksum of the training data."""

    @property
    def data(self) -> str:
        """Description of the training data for the user."""

    def describe(self) -> str:
        """Description of the settings that only this kind of task has, for the user."""

    def draw(self, seed: int, step: int) -> Any:
        """Draws the data of a step; called in advance from another thread.

        The result has a method `pin_memory()`, like batches of torch's data loaders: it returns the same data
        with most pixels in pinned memory.
        """

    def make_batch(self, drawn: Any, *, seed: int, step: int, device: torch.device) -> TrainingBatch:
        """Turns drawn data into a batch on the device."""
