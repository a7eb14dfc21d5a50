"""Coarse, middle and fine: the bands of spatial frequency in which noise is described."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def frequencies(side: int) -> Tensor:
    """Radial frequency of every DCT coefficient of a block, (side²,), in half periods per eight pixels.

    Blocks of any side have the same frequencies for the same waves.
    """
    position = torch.arange(side)
    return (position[:, None] ** 2 + position[None] ** 2).float().sqrt().flatten() * 8 / side


@dataclass(frozen=True)
class Band:
    """A range of spatial frequency, in half periods per eight pixels.

    Attributes:
        low: The lowest frequency in the band.
        high: The lowest frequency above the band.
    """

    low: float
    high: float

    def mask(self, side: int) -> Tensor:
        """Mask of the DCT coefficients in the band, (side²,) bool. The mean of a block (DC) is in none."""
        frequency = frequencies(side)
        return (frequency > 0) & (frequency >= self.low) & (frequency < self.high)


COARSE, MIDDLE, FINE = Band(0.0, 2.3), Band(2.3, 4.6), Band(4.6, math.inf)
BANDS = (COARSE, MIDDLE, FINE)
