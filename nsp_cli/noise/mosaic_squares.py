"""Squares of a mosaic's planes of one colour, with what they tell about noise and about the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.bayer import CELL_SIDE, SITES

# Side of a square in pixels of one colour.
SQUARE = 8
# Diagonal differences per square, which tell the noise.
TELLING = (SQUARE // 2) ** 2
# Share of white at which a square counts as clipped.
_CLIPPED = 0.97
# Deviations above what the file can hold, from which its noise is not cut off.
_FAR = 3.5
# Groups of squares of like brightness, equally wide under a root, and the fewest squares in one.
_GROUPS, _FEWEST = 40, 8


@dataclass(frozen=True, eq=False)
class Squares:
    """Squares of all planes.

    Attributes:
        colour: 0 to 2, (N,).
        mean: Signal, (N,).
        variance: Variance of the noise, with what texture adds, (N,).
        unrest: Mean square of all other differences; that of noise alone is the variance, (N,).
    """

    colour: Tensor
    mean: Tensor
    variance: Tensor
    unrest: Tensor

    def __getitem__(self, chosen: Tensor) -> Squares:
        parts = (self.colour, self.mean, self.variance, self.unrest)
        return Squares(*(part[chosen] for part in parts))

    def __len__(self) -> int:
        return len(self.mean)


def squares_of(mosaic: Tensor, lowest: float | None) -> Squares:
    """All squares that are not clipped."""
    side = SQUARE * CELL_SIDE
    rows, columns = (size // side * side for size in mosaic.shape)
    planes = functional.pixel_unshuffle(mosaic[None, :rows, :columns].float(), CELL_SIDE)
    mean = functional.avg_pool2d(planes, SQUARE)
    fine = _haar(planes)
    coarse = _haar(fine[:, 0])
    variance = _mean_square(fine[:, 3], SQUARE // 2)
    # Each of two fine kinds has four times as many values as each of three coarse ones.
    kinds = [(4, fine[:, 1]), (4, fine[:, 2]), *((1, coarse[:, kind]) for kind in (1, 2, 3))]
    parts = [
        weight * _mean_square(values, SQUARE * values.shape[-1] // planes.shape[-1])
        for weight, values in kinds
    ]
    unrest = torch.stack(parts).sum(0) / sum(weight for weight, _ in kinds)
    is_good = functional.max_pool2d(planes, SQUARE) < _CLIPPED
    if lowest is not None:
        is_good &= mean > lowest + _FAR * unrest.sqrt()
    colour = torch.tensor(SITES)[:, None, None].expand_as(mean)
    return Squares(colour, mean, variance, unrest)[is_good]


def _haar(planes: Tensor) -> Tensor:
    """Means, and horizontal, vertical and diagonal differences of 2×2, (N, 4, H / 2, W / 2), orthonormal."""
    signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    return functional.conv2d(planes[:, None], signs.view(4, 1, 2, 2), stride=2)


def _mean_square(values: Tensor, side: int) -> Tensor:
    return functional.avg_pool2d(values.square(), side)


def flattest(squares: Squares, share: float) -> Tensor:
    """Whether a square is among the flattest of those of like colour and brightness, (N,)."""
    answer = torch.zeros(len(squares), dtype=torch.bool)
    for group in groups_of(squares):
        count = max(_FEWEST, math.ceil(share * len(group)))
        answer[group[squares.unrest[group].argsort()[:count]]] = True
    return answer


def groups_of(squares: Squares) -> list[Tensor]:
    """Indices of squares of one colour and about the same brightness, for each."""
    shade = (squares.mean.clamp(0, 1).sqrt() * _GROUPS).long().clamp(max=_GROUPS - 1)
    key = squares.colour * _GROUPS + shade
    counts = key.bincount(minlength=3 * _GROUPS)
    parts = torch.split(key.argsort(stable=True), counts.tolist())
    return [part for part in parts if len(part) >= _FEWEST]
