"""The interface between the trainer and its two tasks: blind-spot training and distillation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from nsp_cli.training.run.recipe import BaseRecipe
from nsp_cli.training.run.structural_loss import structural_dissimilarity


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Inputs and targets of one step, on the device.

    Attributes:
        inputs: Arguments of the network; the first dimension of each is B.
        targets: (B, 3, H, W) in [0, 1].
        weights: Weight of each sample in the loss, (B,); None for equal weights.
        structure: Weight of the structural loss beside the absolute error.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None = None
    structure: float = 0.0

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
                weights=None if self.weights is None else self.weights[place],
            )
            for place in places
        ]

    def loss(self, predicted: Tensor) -> Tensor:
        """Weighted mean of the absolute error (Eq. 4) and the structural loss."""
        errors = (predicted.float() - self.targets).abs().mean((1, 2, 3))
        if self.structure:
            errors = errors + self.structure * structural_dissimilarity(predicted, self.targets)
        return errors.mean() if self.weights is None else (errors * self.weights).mean()


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
        """PD factor s of the blind-spot pairs; None for students."""

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
