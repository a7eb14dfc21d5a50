"""Fits the line of a sensor's noise, variance = slope · signal + floor, to squares of its mosaic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.noise.mosaic_squares import TELLING, Squares, groups_of

# Quantiles of the squares' variances that tell a group's, as those of the normal distribution: the middle of
# flat squares; of squares with texture, the one that tells least, 2, 10 or 25 %.
_MIDDLE, _LOW = (0.0,), (-2.05, -1.28, -0.67)
# Fewest squares below a quantile.
_BELOW = 2
# Most read noise of a sensor: electrons, and a share of white.
_ELECTRONS, _SHARE = 15.0, 3e-4
# Read noise in electrons that is believed where no dark square tells, and the error of that belief.
_USUAL, _UNSURE = 3.0, 0.7
# Squares of a colour that weigh as much as the belief that all colours have the same line.
_BELIEF = 200
# How many times larger the error of a group is that is not flat.
_DOUBT = 4.0
# Spread of the groups about the line that is no error of theirs, and how gently outliers lose weight.
_SPREAD, _GENTLE = 0.04, 2.0
_ROUNDS = 30
_LEAST = 1e-14


@dataclass(frozen=True, eq=False)
class NoiseLine:
    """Variance = factor of the colour · (slope · signal + floor)."""

    slope: float
    floor: float
    factors: Tensor

    def at(self, squares: Squares) -> Tensor:
        """Variance of the noise of squares, (N,)."""
        signal = squares.mean.clamp(min=0)
        return (self.factors[squares.colour] * (self.slope * signal + self.floor)).clamp(min=_LEAST)


@dataclass(frozen=True, eq=False)
class _Groups:
    """Squares of one colour and about the same signal: (N,) each.

    Attributes:
        colour: 0 to 2.
        signal: Their mean.
        variance: What their variances tell.
        error: Its relative error.
        count: Number of squares.
    """

    colour: Tensor
    signal: Tensor
    variance: Tensor
    error: Tensor
    count: Tensor


def fitted(squares: Squares, flatness: Tensor, least: float) -> NoiseLine:
    """The line through the variances of groups, which bends little to groups with texture above it.

    Args:
        squares: Flat and other squares.
        flatness: 1 for the flat ones, 0 for others, (N,).
        least: Variance of rounding.
    """
    groups = _groups(squares, flatness)
    factors = torch.ones(3, dtype=torch.float64)
    slope, floor = _start(groups)
    for _ in range(_ROUNDS):
        own = factors[groups.colour]
        columns = torch.stack([own * groups.signal, own], dim=1)
        slope, floor = _solved(columns, groups, own * (slope * groups.signal + floor), slope, least)[:2]
        factors = _factors(slope * groups.signal + floor, groups)
    return NoiseLine(slope, floor, factors.float())


def fitted_below_texture(squares: Squares, least: float) -> NoiseLine:
    """The line of a scene that is texture all over, whose variance grows with the square of the signal.

    Texture is a share of the light, so its deviation is one of the signal. Of all colours alike in noise,
    green has less of it in the differences that tell the noise.
    """
    groups = _groups(squares, torch.zeros(len(squares)))
    is_green = (groups.colour == 1).double()
    square = groups.signal**2
    one = torch.ones_like(square)
    columns = torch.stack([groups.signal, one, square * is_green, square * (1 - is_green)], dim=1)
    slope, floor = _start(groups)
    level = slope * groups.signal + floor
    for _ in range(_ROUNDS):
        found = _solved(columns, groups, level, slope, least)
        slope, floor = found[:2]
        level = columns @ torch.tensor(found, dtype=torch.float64)
    return NoiseLine(slope, floor, torch.ones(3))


def _groups(squares: Squares, flatness: Tensor) -> _Groups:
    groups = groups_of(squares)
    are_flat = [bool(flatness[group].mean() > 0.5) for group in groups]
    colour = torch.stack([squares.colour[group[0]] for group in groups])
    telling = torch.tensor(TELLING)[colour].double()
    variance = [
        _typical(squares.variance[group], float(own), _MIDDLE if is_flat else _LOW)
        for group, own, is_flat in zip(groups, telling, are_flat, strict=True)
    ]
    count = torch.tensor([len(group) for group in groups]).double()
    # Of the median of as many variances.
    error = (1.25 * (2 / telling / count) ** 0.5).hypot(torch.tensor(_SPREAD))
    if any(are_flat):  # else nothing better is known
        error = error * torch.where(torch.tensor(are_flat), 1.0, _DOUBT)
    signal = torch.stack([squares.mean[group].mean() for group in groups]).double().clamp(min=0)
    return _Groups(colour, signal, torch.tensor(variance, dtype=torch.float64), error, count)


def _typical(variances: Tensor, telling: float, normals: tuple[float, ...]) -> float:
    """Variance of noise by the quantile of its measurements that tells least.

    Measurements are distributed as chi-square (after Wilson and Hilferty).
    """
    shares = [0.5 * (1 + math.erf(normal / 2**0.5)) for normal in normals]
    spread = 2 / (9 * telling)
    return min(
        float(variances.quantile(share) / (1 - spread + normal * spread**0.5) ** 3)
        for share, normal in zip(shares, normals, strict=True)
        if share * len(variances) >= _BELOW or normal == normals[-1]
    )


def _start(groups: _Groups) -> tuple[float, float]:
    """A first line, below most groups that are not dark."""
    is_bright = groups.signal >= groups.signal.mean()
    slopes = groups.variance / groups.signal.clamp(min=1e-4)
    return float(slopes[is_bright].quantile(0.3)), float(groups.variance.min()) / 2


def _solved(columns: Tensor, groups: _Groups, level: Tensor, before: float, least: float) -> list[float]:
    """Slope, floor and what else columns have, none below 0: a fit with weights that outliers above lose.

    The read noise is at most that of a bad sensor. What is usual counts as one more, inexact measurement.

    Args:
        columns: What the variance is a sum of, (N, 2 or more).
        groups: The measurements.
        level: Variance of each by the line before.
        before: A slope from before, which tells how much an electron is.
        least: The least floor.
    """
    level = level.clamp(min=_LEAST)
    over = ((groups.variance / level - 1) / groups.error).clamp(min=0)
    weight = 1 / (1 + (over / _GENTLE) ** 2) ** 0.5 / (groups.error * level)
    usual = max((_USUAL * before) ** 2, least, _LEAST)
    belief = torch.zeros_like(columns[:1])
    belief[0, 1] = 1 / (_UNSURE * usual)
    rows = torch.cat([columns * weight[:, None], belief])
    answers = torch.cat([groups.variance * weight, groups.variance.new_tensor([1 / _UNSURE])])
    found = _not_negative(rows, answers)
    most = (_ELECTRONS * before + _SHARE) ** 2
    if not least <= found[1] <= most:
        floor = max(min(float(found[1]), most), least)
        others = [0, *range(2, columns.shape[1])]
        found[others] = _not_negative(rows[:, others], answers - floor * rows[:, 1])
        found[1] = floor
    return [float(value) for value in found]


def _not_negative(rows: Tensor, answers: Tensor) -> Tensor:
    """Least squares without columns that would be subtracted."""
    size = rows.norm(dim=0).clamp(min=1e-300)
    found, used = torch.zeros_like(rows[0]), list(range(rows.shape[1]))
    while used:
        solution = torch.linalg.lstsq(rows[:, used] / size[used], answers).solution
        if solution.min() >= 0:
            found[used] = solution / size[used]
            break
        del used[int(solution.argmin())]
    return found


def _factors(level: Tensor, groups: _Groups) -> Tensor:
    """How many times the noise of each colour is that of the line; about 1 where few squares tell."""
    ratio = (groups.variance / level.clamp(min=_LEAST)).clamp(0.25, 4).log()
    factors = []
    for own in range(3):
        is_own = groups.colour == own
        squares = groups.count[is_own].sum()
        middle = _weighted_median(ratio[is_own], groups.error[is_own] ** -2) if is_own.any() else 0.0
        factors.append(math.exp(middle * float(squares / (squares + _BELIEF))))
    return torch.tensor(factors, dtype=torch.float64)


def _weighted_median(values: Tensor, weights: Tensor) -> float:
    order = values.argsort()
    total = weights[order].cumsum(0)
    return float(values[order[int((total < total[-1] / 2).sum())]])
