"""Noise of a sensor, measured in a Bayer mosaic: variance = slope · signal + floor, for each colour.

Each plane of one colour is looked at in squares of 8×8 of its pixels. A square is taken apart as by Haar's
wavelet: diagonal differences tell the noise, all other differences tell whether the square is flat. Of
white noise, these are independent, so choosing flat squares does not choose quiet ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.noise.mosaic_squares import SQUARE, TELLING, Squares, flattest, groups_of, squares_of
from nsp_cli.ops.bayer import CELL_SIDE, SITES

# Share of a group's squares that is taken for flat before the noise is known, and after: without squares of
# all brightnesses, a line that is too low would leave only those that confirm it.
_FLATTEST, _KEPT = 0.2, 0.04
# Most that the differences of a flat square exceed those of noise alone, as that becomes known.
_FLAT = (1.5, 1.3, 1.15, 1.15)
# Quantile of the squares' variances that tells a group's: low where most squares may have texture. Each
# comes with its value for a variance of 1, as of a mean of 16 squares of standard normal numbers (a
# chi-square distribution, after Wilson and Hilferty).
_LOW, _MIDDLE = (
    (share, (1 - 2 / (9 * TELLING) + normal * (2 / (9 * TELLING)) ** 0.5) ** 3)
    for share, normal in ((0.1, -1.2816), (0.5, 0.0))
)
# Slope of more electrons at white than any sensor holds: a measurement of something else.
_LEAST_SLOPE = 1e-6
# Most read noise of a sensor: electrons, and a share of white.
_ELECTRONS, _SHARE = 15.0, 3e-4
# Read noise in electrons that is believed where no dark square tells, and the error of that belief.
_USUAL, _UNSURE = 3.0, 0.7
# Squares of a colour that weigh as much as the belief that all colours have the same line.
_BELIEF = 200
# Share of flat squares below which they may be an accident, so that the lower of two lines is right.
_FEW = 0.01
# How many times larger the error of a group is that is not flat.
_DOUBT = 4.0
# Spread of the groups about the line that is no error of theirs, and how gently outliers lose weight.
_SPREAD, _GENTLE = 0.04, 2.0


@dataclass(frozen=True)
class MosaicNoise:
    """Noise of a mosaic in linear light with black at 0 and white at 1, before white balance.

    Attributes:
        slope: Variance per unit of signal, of red, green and blue.
        floor: Variance at black, likewise.
        squares: Flat squares that it was measured on.
    """

    slope: tuple[float, float, float]
    floor: tuple[float, float, float]
    squares: int

    def of_sites(self, gains: tuple[float, float, float]) -> Tensor:
        """Noise after white balance, (2, 4): slope and floor of each site, as RAW networks take them.

        Args:
            gains: White-balance gains of red, green and blue.
        """
        gain = torch.tensor(gains)
        rows = torch.stack([torch.tensor(self.slope) * gain, torch.tensor(self.floor) * gain**2])
        return rows[:, list(SITES)]

    @property
    def electrons(self) -> float | None:
        """Electrons of green at white, by the noise of counting them; None if that could not be measured."""
        return 1 / self.slope[1] if self.squares and self.slope[1] > _LEAST_SLOPE else None

    @property
    def read_noise(self) -> float | None:
        """Noise of green without light, in electrons; None if these are not known."""
        return None if self.electrons is None else float(self.floor[1] ** 0.5) * self.electrons

    def deviation(self, colour: int, signal: float) -> float:
        """Standard deviation of a colour's noise at a signal."""
        return float((self.slope[colour] * signal + self.floor[colour]) ** 0.5)


@dataclass(frozen=True, eq=False)
class _Line:
    """Variance = factor of the colour · (slope · signal + floor)."""

    slope: float
    floor: float
    factors: Tensor

    def at(self, squares: Squares) -> Tensor:
        signal = squares.mean.clamp(min=0)
        return (self.factors[squares.colour] * (self.slope * signal + self.floor)).clamp(min=1e-14)


def estimate_sensor_noise(
    mosaic: Tensor, phase: tuple[int, int] = (0, 0), *, step: float = 0.0, lowest: float | None = None
) -> MosaicNoise | None:
    """Measures the noise of a mosaic.

    All colours share one line, up to a factor for each, because they share the sensor. Where all of the
    scene is textured, texture is measured too.

    Args:
        mosaic: (H, W) linear, before white balance, with black at 0 and white at 1.
        phase: Row and column of the first red pixel, 0 or 1.
        step: Distance of the file's values; rounding to them is noise too, and the least that there is.
        lowest: Smallest value that the file can hold, where it cuts off noise below black; None for none.

    Returns:
        The noise; None if too little of the mosaic is flat and not clipped.
    """
    whole = mosaic[phase[0] :, phase[1] :]
    if min(whole.shape) < SQUARE * CELL_SIDE:
        return None
    squares = squares_of(whole, lowest)
    if not groups_of(squares):
        return None
    least = step**2 / 12
    line, is_flat = _line_of(squares, least)
    red, green, blue = line.factors.tolist()
    return MosaicNoise(
        slope=(red * line.slope, green * line.slope, blue * line.slope),
        floor=(max(least, red * line.floor), max(least, green * line.floor), max(least, blue * line.floor)),
        squares=int(is_flat.sum()),
    )


def _line_of(squares: Squares, least: float) -> tuple[_Line, Tensor]:
    """The line of the noise, and which squares are flat."""
    unknown = squares[flattest(squares, _FLATTEST)]
    first, is_kept = _fitted(unknown, torch.zeros(len(unknown)), least), flattest(squares, _KEPT)
    line, is_flat = first, is_kept
    for limit in _FLAT:
        is_flat = squares.unrest < limit * line.at(squares)
        chosen = is_flat | is_kept
        line = _fitted(squares[chosen], is_flat[chosen].float(), least)
    if is_flat.float().mean() < _FEW and line.at(squares).mean() > first.at(squares).mean():
        line = first
    return line, is_flat


def _fitted(squares: Squares, flatness: Tensor, least: float) -> _Line:
    """The line through the variances of groups, which bends little to groups with texture above it.

    Args:
        squares: Flat and other squares.
        flatness: 1 for the flat ones, 0 for others, (N,).
        least: Variance of rounding.
    """
    groups = groups_of(squares)
    mean = torch.stack([squares.mean[group].mean() for group in groups]).double()
    are_flat = [bool(flatness[group].mean() > 0.5) for group in groups]
    variance = torch.stack(
        [
            squares.variance[group].quantile(share) / value
            for group, (share, value) in zip(
                groups, (_MIDDLE if is_flat else _LOW for is_flat in are_flat), strict=True
            )
        ]
    ).double()
    colour = torch.stack([squares.colour[group[0]] for group in groups])
    count = torch.tensor([len(group) for group in groups])
    # Of the median of as many variances.
    error = (1.25 * (2 / TELLING / count.double()) ** 0.5).hypot(torch.tensor(_SPREAD))
    if any(are_flat):  # else nothing better is known
        error = error * torch.where(torch.tensor(are_flat), 1.0, _DOUBT)
    factors, signal = torch.ones(3, dtype=torch.float64), mean.clamp(min=0)
    slope, floor = _start(signal, variance)
    for _ in range(30):
        level = factors[colour] * (slope * signal + floor).clamp(min=1e-14)
        over = (variance / level - 1) / error
        weight = 1 / (1 + (over.clamp(min=0) / _GENTLE) ** 2) / (error * level) ** 2
        slope, floor = _solved(factors[colour] * signal, factors[colour], variance, weight, slope, least)
        factors = _factors(slope * signal + floor, variance, colour, error, count)
    return _Line(slope, floor, factors.float())


def _start(signal: Tensor, variance: Tensor) -> tuple[float, float]:
    """A first line, below most groups that are not dark."""
    is_bright = signal >= signal.mean()
    return float((variance / signal.clamp(min=1e-4))[is_bright].quantile(0.3)), float(variance.min()) / 2


def _solved(
    x: Tensor, one: Tensor, y: Tensor, weight: Tensor, before: float, least: float
) -> tuple[float, float]:
    """Slope and floor of a weighted fit of y to slope · x + floor · one.

    The read noise is at most that of a bad sensor. What is usual counts as one more, inexact measurement.

    Args:
        x, one, y: Measurements.
        weight: Their weights.
        before: A slope from before, which tells how much an electron is.
        least: The least floor.
    """
    usual = max((_USUAL * before) ** 2, least, 1e-14)
    own = 1 / (_UNSURE * usual) ** 2
    xx, xo, oo = (weight * x * x).sum(), (weight * x * one).sum(), (weight * one * one).sum() + own
    xy, oy = (weight * x * y).sum(), (weight * one * y).sum() + own * usual
    floor = float((xx * oy - xo * xy) / (xx * oo - xo * xo))
    floor = max(min(floor, (_ELECTRONS * before + _SHARE) ** 2), least)
    return max(0.0, float((xy - floor * xo) / xx)), floor


def _factors(level: Tensor, variance: Tensor, colour: Tensor, error: Tensor, count: Tensor) -> Tensor:
    """How many times the noise of each colour is that of the line; about 1 where few squares tell."""
    ratio = (variance / level.clamp(min=1e-14)).clamp(0.25, 4).log()
    factors = []
    for own in range(3):
        is_own = colour == own
        squares = count[is_own].sum()
        middle = _weighted_median(ratio[is_own], error[is_own] ** -2) if is_own.any() else 0.0
        factors.append(math.exp(middle * float(squares / (squares + _BELIEF))))
    return torch.tensor(factors, dtype=torch.float64)


def _weighted_median(values: Tensor, weights: Tensor) -> float:
    order = values.argsort()
    total = weights[order].cumsum(0)
    return float(values[order[int((total < total[-1] / 2).sum())]])
