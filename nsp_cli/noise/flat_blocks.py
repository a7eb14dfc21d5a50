"""The power of noise in every DCT coefficient, measured where a picture is flattest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

# In 8×8 blocks; larger blocks have the same bands at the same spatial frequencies.
_BANDS = ((0.0, 2.3), (2.3, 4.6), (4.6, math.inf))
# A block is as flat as the 5×5 blocks around it: texture rarely stops for just one block.
_REGION = 5
_ROUNDING = (0.1 / 255) ** 2


def frequencies(side: int) -> Tensor:
    """Returns (side²,) radial frequencies of a block's DCT, in half periods per eight pixels."""
    position = torch.arange(side)
    return (position[:, None] ** 2 + position[None] ** 2).float().sqrt().flatten() * 8 / side


def flat_power(coefficients: Tensor, share: float, groups: Sequence[Tensor] | None = None) -> Tensor:
    """Measures noise power on the flattest blocks, each half of the coefficients on the other's choice.

    Flatness is judged in three bands of frequency apart, for a region may hold a gradient and yet no
    fine texture.

    Args:
        coefficients: (C, K, rows, columns), K row-major with DC first, on a lattice of blocks.
        share: Of a group's blocks that counts as flat.
        groups: (rows, columns) masks of blocks to be measured apart; None for a single one of all.

    Returns:
        (groups, C, K) mean power; DC is extrapolated from its neighbours.
    """
    power = coefficients.square()
    groups = [torch.ones(power.shape[2:], dtype=torch.bool)] if groups is None else groups
    usable = torch.stack(list(groups)).any(0)
    noise = power[:, :, usable].kthvalue(_count(usable, share), dim=2).values
    noise = _measure(power, noise, share, [usable])[0]
    return _measure(power, noise, share, groups)


def _count(group: Tensor, share: float) -> int:
    return max(1, int(group.sum() * share))


def _measure(power: Tensor, noise: Tensor, share: float, groups: Sequence[Tensor]) -> Tensor:
    side, usable = math.isqrt(power.shape[1]), torch.stack(list(groups)).any(0)
    picking, measuring = _halves(side)
    # Whitened, or the strongest coefficients alone would decide. All choices in one pass over the power.
    weight = picking[:, None] / (noise + _ROUNDING)
    scores = (weight.flatten(1) @ power.flatten(2).flatten(0, 1)).view(-1, *usable.shape)
    measured = power.new_zeros(len(groups), *noise.shape)
    for score, band in zip(scores, measuring, strict=True):
        flatness = _around(torch.where(usable, score, score[usable].mean()))
        for index, group in enumerate(groups):
            flattest = flatness[group].topk(_count(group, share), largest=False).indices
            blocks = group.flatten().nonzero()[flattest, 0]
            measured[index, :, band] = power.flatten(2).index_select(2, blocks).mean(2)[:, band]
    measured[..., 0] = _extrapolated_dc(measured.view(-1, side, side)).view(len(groups), -1)
    return measured


@lru_cache(maxsize=2)
def _halves(side: int) -> tuple[Tensor, Tensor]:
    """Returns which coefficients pick blocks, (6, side²) 0 or 1, and which are measured there, as a mask."""
    frequency, position = frequencies(side), torch.arange(side)
    even = ((position[:, None] + position[None]) % 2 == 0).flatten()
    picking, measuring = [], []
    for low, high in _BANDS:
        near = (frequency > 0) & (frequency >= 0.7 * low) & (frequency < 1.3 * high)
        band = (frequency > 0) & (frequency >= low) & (frequency < high)
        picking += [even & near, ~even & near]
        measuring += [~even & band, even & band]
    return torch.stack(picking).float(), torch.stack(measuring)


def _around(score: Tensor) -> Tensor:
    padded = functional.pad(score[None, None], (_REGION // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, _REGION, 1)[0, 0]


def _extrapolated_dc(noise: Tensor) -> Tensor:
    """Continues (C, k, k) power to DC as a Gaussian spectrum would: its logarithm falls with frequency²."""
    first = (noise[:, 0, 1] + noise[:, 1, 0]) / 2
    second = (noise[:, 0, 2] + noise[:, 2, 0]) / 2
    return first * (first / second.clamp(min=1e-12)).clamp(1, 4) ** (1 / 3)
