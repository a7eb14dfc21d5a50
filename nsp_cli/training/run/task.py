"""What a network can be trained to do: blind-spot prediction or a student's lessons, for one trainer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from nsp_cli.training.run.recipe import BaseRecipe
from nsp_cli.training.run.structural_loss import structural_dissimilarity


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """A step's work, on the device.

    Attributes:
        inputs: What the network is called with; each has B as its first side.
        targets: (B, 3, H, W) in [0, 1].
        weights: (B,) that the losses count with; None for all alike.
        structure: What a difference in structure counts beside the absolute error.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None = None
    structure: float = 0.0

    def __len__(self) -> int:
        """Returns B."""
        return len(self.targets)

    def split(self, size: int) -> list[TrainingBatch]:
        """Returns parts of at most so many, as equal as can be: each size is compiled by itself."""
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
        """Returns the mean absolute error (Eq. 4), and of structure where that counts, weighted."""
        errors = (predicted.float() - self.targets).abs().mean((1, 2, 3))
        if self.structure:
            errors = errors + self.structure * structural_dissimilarity(predicted, self.targets)
        return errors.mean() if self.weights is None else (errors * self.weights).mean()


class Task(Protocol):
    """Where a trainer's batches come from.

    All chance comes from the seed, the step's number and the place in the batch over all processes, so
    that a resumed run draws what an unbroken one would, and several processes what one would.
    """

    @property
    def recipe(self) -> BaseRecipe:
        """Says how the weights are moved."""

    @property
    def pd_factor(self) -> int | None:
        """Is s of the blind-spot pairs; None where there are none."""

    @property
    def checksum(self) -> int:
        """Tells the pictures from others."""

    @property
    def data(self) -> str:
        """Describes the pictures for people."""

    def describe(self) -> str:
        """Describes for people what is particular to the recipe."""

    def draw(self, seed: int, step: int) -> Any:
        """Draws what a step needs; called ahead of it from another thread.

        It has a `pin_memory()`, as torch's loaders ask of batches: most of its pixels in pinned memory.
        """

    def make_batch(self, drawn: Any, *, seed: int, step: int, device: torch.device) -> TrainingBatch:
        """Makes what was drawn into a batch."""
