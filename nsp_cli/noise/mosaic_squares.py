"""Squares of a mosaic's planes of one colour, with what they tell about noise and about the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.bayer import CELL_SIDE

# Side of a square in pixels of one colour.
SQUARE = 8
# Rows that are looked at together, so that what is made of them fits in a cache: with all of 24 megapixels at
# once, it takes twice as long. A multiple of a square's.
_ROWS = 256
# Differences are taken so many times along both axes, which leaves the highest frequencies. Of white noise,
# they have this variance, and those of green lose a share of it with their means.
_ORDER = 3
_GAIN, _LOST = math.comb(2 * _ORDER, _ORDER) ** 2, 0.07
# Independent differences per square of red, green and blue, by the spread of their mean square.
TELLING = (14, 27, 14)
# Steps to the next pixels: in a plane of one colour, and in the mosaic to the next green ones.
_STEPS, _GREEN_STEPS = ((1, 0), (0, 1)), ((1, 1), (1, -1))
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
        return Squares(*(part[chosen] for part in self.parts))

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All attributes in order."""
        return self.colour, self.mean, self.variance, self.unrest


def squares_of(mosaic: Tensor, lowest: float | None) -> Squares:
    """All squares that are not clipped, of a mosaic that is at least a square wide and high."""
    side = SQUARE * CELL_SIDE
    rows, columns = (size // side * side for size in mosaic.shape)
    strips = [
        _squares_of_strip(mosaic[top : min(top + _ROWS, rows), :columns].float(), lowest)
        for top in range(0, rows, _ROWS)
    ]
    return Squares(*map(torch.cat, zip(*(strip.parts for strip in strips), strict=True)))


def _squares_of_strip(mosaic: Tensor, lowest: float | None) -> Squares:
    red, green, second, blue = functional.pixel_unshuffle(mosaic[None], CELL_SIDE)
    # The noise of green is told by differences between both greens, the scene by their sum.
    planes = torch.stack([red, (green + second) / 2**0.5, blue])
    scale = torch.tensor([1, 2**-0.5, 1])[:, None, None]
    fine = _haar(planes)
    coarse = _haar(fine[:, 0])
    # Each of two fine kinds has four times as many values as each of three coarse ones.
    kinds = [(4, fine[:, 1]), (4, fine[:, 2]), *((1, coarse[:, kind]) for kind in (1, 2, 3))]
    parts = [
        weight * _mean_square(values, SQUARE * values.shape[-1] // planes.shape[-1])
        for weight, values in kinds
    ]
    unrest = torch.stack(parts).sum(0) / sum(weight for weight, _ in kinds)
    mean = scale * functional.avg_pool2d(planes, SQUARE)
    is_good = scale * functional.max_pool2d(planes, SQUARE) < _CLIPPED
    if lowest is not None:
        is_good &= mean > lowest + _FAR * unrest.sqrt()
    colour = torch.arange(3)[:, None, None].expand_as(mean)
    return Squares(colour, mean, _variances(mosaic, red, blue), unrest)[is_good]


def _variances(mosaic: Tensor, red: Tensor, blue: Tensor) -> Tensor:
    """Variance of the noise of all squares, (3, H, W), from a mosaic and two of its planes."""
    first, second = (_mean_square(_differences(own, _STEPS)[None], SQUARE)[0] for own in (red, blue))
    differences = _differences(mosaic, _GREEN_STEPS)
    # Greens in rows of red may differ a little from those in rows of blue, all over a square.
    greens = [
        _mean_square(own, SQUARE) - functional.avg_pool2d(own, SQUARE).square()
        for own in (differences[None, ::2, 1::2], differences[None, 1::2, ::2])
    ]
    return torch.stack([first, (greens[0] + greens[1])[0] / (2 * (1 - _LOST)), second])


def _differences(values: Tensor, steps: tuple[tuple[int, int], tuple[int, int]]) -> Tensor:
    """Differences of high order around each pixel (H, W), with the variance of white noise."""
    result = values
    for down, right in steps:
        for _ in range(_ORDER):
            ahead = result[down:, max(0, right) : result.shape[1] + min(0, right)]
            behind = result[: len(result) - down, max(0, -right) : result.shape[1] - max(0, right)]
            result = ahead - behind
    # Reflection, and a start that is even, keep where green is; the first row begins with another colour.
    rows, columns = (whole - part for whole, part in zip(values.shape, result.shape, strict=True))
    top, left = rows // 2, columns // 2 - (columns // 2) % 2
    padding = (left, columns - left, top, rows - top)
    return functional.pad(result[None, None] / _GAIN**0.5, padding, "reflect")[0, 0]


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
