"""Chance that depends on numbers alone: the same seed, step and place always draw the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import torch

Item = TypeVar("Item")


def generator_for(*numbers: int, device: torch.device | None = None) -> torch.Generator:
    """Returns the generator that belongs to some numbers; different numbers give independent ones."""
    # The length goes in too: SeedSequence pads with zeros, and (1, 0) is not (1,).
    state = np.random.SeedSequence([len(numbers), *numbers]).generate_state(1, np.uint64)
    return torch.Generator(device or "cpu").manual_seed(int(state[0] >> np.uint64(1)))


def white_noise(shape: Sequence[int], generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Returns (B, *shape) normal numbers on the generators' device, each picture's from its own."""
    return torch.stack([torch.randn(*shape, generator=own, device=own.device) for own in generators])


def random_uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Draws a number from an interval."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def random_event(chance: float, generator: torch.Generator) -> bool:
    """Draws whether something of that chance happens."""
    return random_uniform(0, 1, generator) < chance


def random_below(stop: int, generator: torch.Generator) -> int:
    """Draws one of 0 to `stop` − 1."""
    return int(torch.randint(stop, (), generator=generator))


class WeightedChoice(Generic[Item]):
    """Things to draw from, each with a chance proportional to its weight.

    Attributes:
        weight: Of all together; 0 of an empty deck, which cannot be drawn from.
    """

    def __init__(self, items: Sequence[Item], weights: Sequence[float]) -> None:
        self._items, self._cumulative = items, np.cumsum(np.asarray(weights, np.float64))
        self.weight = float(self._cumulative[-1]) if len(items) else 0.0

    def draw(self, generator: torch.Generator) -> Item:
        """Draws one."""
        place = float(torch.rand((), generator=generator, dtype=torch.float64)) * self.weight
        return self._items[int(np.searchsorted(self._cumulative, place, side="right"))]
