"""Noise of a sensor, measured in a Bayer mosaic: variance = slope · signal + floor, for each colour.

Each plane of one colour is looked at in squares of 8×8 of its pixels. The highest frequencies tell the
noise, because a lens leaves least texture there; those of green are higher than those of red and blue. All
other differences tell whether the square is flat. Of white noise, these are nearly independent, so choosing
flat squares does not choose quiet ones. Where nothing is flat, texture is told from noise by its growth with
the square of the light.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nsp_cli.noise.mosaic_squares import SQUARE, Squares, flattest, groups_of, squares_of
from nsp_cli.noise.sensor_line import NoiseLine, fitted, fitted_below_texture
from nsp_cli.ops.bayer import CELL_SIDE, SITES

# Share of a group's squares that is taken for flat before the noise is known, and after: without squares of
# all brightnesses, a line that is too low would leave only those that confirm it.
_FLATTEST, _KEPT = 0.2, 0.04
# Most that the differences of a flat square exceed those of noise alone, as that becomes known.
_FLAT = (1.5, 1.3, 1.15, 1.15)
# Slope of more electrons at white than any sensor holds: a measurement of something else.
_LEAST_SLOPE = 1e-6
# Share of flat squares below which they may be an accident, so that the lower of two lines is right; and the
# share of them that are quieter than so much of the line: of noise alone, 0.3 are.
_FEW, _QUIET, _FEW_QUIET = 0.01, 0.85, 0.12
# Light of a dark tone, and banding relative to its noise that is seen: in results of nsp-raw on simulated
# dark photos of ISO 1600 and 6400, it doubles the errors that whole rows have. In 37 scenes without banding
# at three speeds, at most 0.1 was measured, but for one of upright edges.
_DARK, _SEEN = 0.01, 0.2
# Slope of 150,000 electrons at white, about the most that a pixel holds. Where texture hides the noise, there
# may be little of it, but not less.
_LEAST_ON_TEXTURE = 1 / 150_000


@dataclass(frozen=True)
class MosaicNoise:
    """Noise of a mosaic in linear light with black at 0 and white at 1, before white balance.

    Attributes:
        slope: Variance per unit of signal, of red, green and blue.
        floor: Variance at black, likewise.
        squares: Flat squares that it was measured on; with few, it is uncertain.
        rows: Standard deviation of what all pixels of a row have in common, at least.
        columns: Likewise, of a column.
    """

    slope: tuple[float, float, float]
    floor: tuple[float, float, float]
    squares: int
    rows: float = 0.0
    columns: float = 0.0

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
        return 1 / self.slope[1] if self.slope[1] > _LEAST_SLOPE else None

    @property
    def read_noise(self) -> float | None:
        """Noise of green without light, in electrons; None if these are not known."""
        return None if self.electrons is None else float(self.floor[1] ** 0.5) * self.electrons

    @property
    def banding(self) -> tuple[float, float]:
        """Deviation of rows and of columns, relative to that of a dark pixel."""
        dark = max(self.deviation(1, _DARK), 1e-9)
        return self.rows / dark, self.columns / dark

    @property
    def has_banding(self) -> bool:
        """Whether banding is seen where the noise of pixels is removed."""
        return max(self.banding) > _SEEN

    def deviation(self, colour: int, signal: float) -> float:
        """Standard deviation of a colour's noise at a signal."""
        return float((self.slope[colour] * signal + self.floor[colour]) ** 0.5)


def estimate_sensor_noise(
    mosaic: Tensor, phase: tuple[int, int] = (0, 0), *, step: float = 0.0, lowest: float | None = None
) -> MosaicNoise | None:
    """Measures the noise of a mosaic.

    All colours share one line, up to a factor for each, because they share the sensor. Where all of the
    scene is textured, some texture may be measured too, or too little noise.

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


def _line_of(squares: Squares, least: float) -> tuple[NoiseLine, Tensor]:
    """The line of the noise, and which squares are flat."""
    is_kept = flattest(squares, _KEPT)
    unknown = squares[flattest(squares, _FLATTEST)]
    line, is_flat = fitted(unknown, torch.zeros(len(unknown)), least), is_kept
    for limit in _FLAT:
        is_flat = squares.unrest < limit * line.at(squares)
        chosen = is_flat | is_kept
        line = fitted(squares[chosen], is_flat[chosen].float(), least)
    if _may_be_texture(squares, is_flat, line):
        below = fitted_below_texture(squares, least)
        below = replace(below, slope=max(below.slope, _LEAST_ON_TEXTURE))
        line = min(line, below, key=lambda one: float(one.at(squares).mean()))
    return line, is_flat


def _may_be_texture(squares: Squares, is_flat: Tensor, line: NoiseLine) -> bool:
    """Whether the flat squares are few, or such as happen to be hardly above a line that is too high."""
    if is_flat.float().mean() < _FEW:
        return True
    unrest = (squares.unrest / line.at(squares))[is_flat]
    return float((unrest < _QUIET).float().mean()) < _FEW_QUIET
