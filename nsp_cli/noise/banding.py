"""Banding of a sensor: offsets that all pixels of a row, or of a column, have in common.

Stripes of a picture are looked at apart. Noise of pixels and most of the scene differ from one stripe to the
next, so only offsets make the rows of one agree with those of another.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.bayer import CELL_SIDE

# Stripes that a picture is cut into, and the fewest pixels of one and of its length.
_STRIPES, _WIDTH, _LENGTH = 8, 16, 64
# Most rows and columns that are looked at, around the middle.
_MOST = 2048
# Variance of a value less the mean of two others, relative to theirs.
_DIFFERENCE = 1.5
# Rows over which the scene changes slowly.
_SLOW = 15
# Times the median from which an offset is rare, one in 40 of a normal distribution, and the variance of all
# others relative to its own.
_RARE, _COMMON = 3.3, 0.82
# Quantile of the stripes' agreement that counts: edges of the scene reach over some, offsets over all.
_AGREEING = 0.25
# Deviations from which a difference belongs to the scene, and the share of white at which light is clipped.
_SCENE, _CLIPPED = 3.0, 0.97


def offsets_of_rows(light: Tensor, slope: float, floor: float) -> float:
    """Standard deviation of the offsets of rows, or less; 0 if there are none, or the picture is too small.

    Args:
        light: Mosaic (H, W) with black at 0 and white at 1. For columns, give it transposed.
        slope, floor: Of the variance of green's noise.
    """
    light = light[_middle(light.shape[0]), _middle(light.shape[1])]
    width = light.shape[1] // _STRIPES
    if width < _WIDTH or len(light) < _LENGTH:
        return 0.0
    step = CELL_SIDE  # to the next row of the same colours
    middle = light[step:-step]
    difference = middle - (light[: -2 * step] + light[2 * step :]) / 2
    variance = slope * (middle - 2 / 3 * difference).clamp(min=0) + floor  # of the mean of all three
    is_even = (difference.square() < _SCENE**2 * _DIFFERENCE * variance) & (middle < _CLIPPED)
    weight = is_even / variance.clamp(min=1e-14)
    total = _by_stripe(weight, width)
    found = _by_stripe(weight * difference, width) / total.clamp(min=1e-14)
    # Rows of which a stripe shows hardly anything flat tell little.
    found = found * (total > total.median(dim=0).values / 4)
    # Of uneven scenes, differences have a mean that changes slowly.
    found = found - functional.avg_pool1d(found.T, _SLOW, 1, _SLOW // 2, count_include_pad=False).T
    usual = found.abs().median(dim=0).values
    found = found * (found.abs() < _RARE * usual)  # a horizon is a few rows
    together = found.T @ found / len(found)
    first, second = torch.triu_indices(_STRIPES, _STRIPES, 1)
    return float((together[first, second].quantile(_AGREEING) / (_COMMON * _DIFFERENCE)).clamp(min=0).sqrt())


def _middle(size: int) -> slice:
    start = max(0, size - _MOST) // (2 * CELL_SIDE) * CELL_SIDE
    return slice(start, start + _MOST)


def _by_stripe(values: Tensor, width: int) -> Tensor:
    """Sums over each stripe of a row, (H, stripes)."""
    return values[:, : _STRIPES * width].reshape(len(values), _STRIPES, width).sum(2)
