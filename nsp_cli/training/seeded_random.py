"""Seeded random numbers: the same seed, step and sample number always give the same values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import torch

Item = TypeVar("Item")


def generator_for(*numbers: int, device: torch.device | None = None) -> torch.Generator:
    """Generator seeded with some numbers; different numbers give independent generators."""
    # The length goes in too: SeedSequence pads with zeros, and (1, 0) is not (1,).
    state = np.random.SeedSequence([len(numbers), *numbers]).generate_state(1, np.uint64)
    return torch.Generator(device or "cpu").manual_seed(int(state[0] >> np.uint64(1)))


def white_noise(shape: Sequence[int], generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Standard normal numbers (B, *shape) on the generators' device, one generator per picture."""
    return torch.stack([torch.randn(*shape, generator=own, device=own.device) for own in generators])


def random_uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Random number, uniform from `low` to `high`."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def random_log_uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Random number from `low` to `high` whose logarithm is uniform."""
    return math.exp(random_uniform(math.log(low), math.log(high), generator))


def random_event(chance: float, generator: torch.Generator) -> bool:
    """True with probability `chance`."""
    return random_uniform(0, 1, generator) < chance


def random_below(stop: int, generator: torch.Generator) -> int:
    """Random integer from 0 to `stop` − 1."""
    return int(torch.randint(stop, (), generator=generator))


class WeightedChoice(Generic[Item]):
    """Draws items with probabilities proportional to their weights.

    Attributes:
        weight: Sum of the weights; 0 if there are no items, and then `draw` fails.
    """

    def __init__(self, items: Sequence[Item], weights: Sequence[float]) -> None:
        self._items, self._cumulative = items, np.cumsum(np.asarray(weights, np.float64))
        self.weight = float(self._cumulative[-1]) if len(items) else 0.0

    def draw(self, generator: torch.Generator) -> Item:
        """Random item."""
        place = float(torch.rand((), generator=generator, dtype=torch.float64)) * self.weight
        return self._items[int(np.searchsorted(self._cumulative, place, side="right"))]
