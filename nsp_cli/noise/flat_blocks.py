"""Noise power per DCT coefficient, measured where a picture is flattest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.bands import BANDS, Band

# Side of the region of blocks over which flatness is averaged: texture rarely stops after one block.
_REGION = 5
# Power that rounding alone leaves; without it, coefficients without any noise would count infinitely.
_ROUNDING = (0.1 / 255) ** 2
# How far the frequencies that choose blocks for a band reach below and above that band.
_REACH_BELOW, _REACH_ABOVE = 0.7, 1.3
# Ratio of power between the two lowest frequencies, at most, with which power is continued to DC.
_STEEPEST_RISE = 4


def flat_power(coefficients: Tensor, share: float, groups: Sequence[Tensor] | None = None) -> Tensor:
    """Noise power on the flattest blocks.

    Each half of the coefficients is measured on blocks that the other half chose. Flatness is judged in
    each band of frequency separately, because a region may hold a gradient and yet no fine texture.

    Args:
        coefficients: (C, K, rows, columns) on a lattice of blocks; K is row-major with DC first.
        share: Share of a group's blocks that counts as flat.
        groups: (rows, columns) masks of blocks to measure separately; None for one group of all blocks.

    Returns:
        (groups, C, K) mean power. DC is extrapolated from its neighbours.
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
    choosing, measuring = _halves(side)
    # Whitened, or the strongest coefficients alone would decide. All choices in one pass over the power.
    weight = choosing[:, None] / (noise + _ROUNDING)
    scores = (weight.flatten(1) @ power.flatten(2).flatten(0, 1)).view(-1, *usable.shape)
    measured = power.new_zeros(len(groups), *noise.shape)
    for score, band in zip(scores, measuring, strict=True):
        flatness = _mean_around(torch.where(usable, score, score[usable].mean()))
        for index, group in enumerate(groups):
            flattest = flatness[group].topk(_count(group, share), largest=False).indices
            blocks = group.flatten().nonzero()[flattest, 0]
            measured[index, :, band] = power.flatten(2).index_select(2, blocks).mean(2)[:, band]
    measured[..., 0] = _extrapolated_dc(measured.view(-1, side, side)).view(len(groups), -1)
    return measured


@lru_cache(maxsize=2)
def _halves(side: int) -> tuple[Tensor, Tensor]:
    """Coefficients that choose blocks, (6, side²) 0 or 1, and those measured there, as a mask."""
    position = torch.arange(side)
    even = ((position[:, None] + position[None]) % 2 == 0).flatten()
    choosing, measuring = [], []
    for band in BANDS:
        near = Band(_REACH_BELOW * band.low, _REACH_ABOVE * band.high).mask(side)
        choosing += [even & near, ~even & near]
        measuring += [~even & band.mask(side), even & band.mask(side)]
    return torch.stack(choosing).float(), torch.stack(measuring)


def _mean_around(score: Tensor) -> Tensor:
    """Mean score of the blocks around each block, (rows, columns)."""
    padded = functional.pad(score[None, None], (_REGION // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, _REGION, 1)[0, 0]


def _extrapolated_dc(noise: Tensor) -> Tensor:
    """Power of (C, k, k) at DC, continued as a Gaussian spectrum: its logarithm falls with frequency²."""
    first = (noise[:, 0, 1] + noise[:, 1, 0]) / 2
    second = (noise[:, 0, 2] + noise[:, 2, 0]) / 2
    return first * (first / second.clamp(min=1e-12)).clamp(1, _STEEPEST_RISE) ** (1 / 3)
