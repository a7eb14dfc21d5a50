"""A simulated camera that writes RAW files: its colours, its exposure, and the noise of its sensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform

# Electrons at white: 64,000 at ISO 100 make this ISO 64 to 160,000.
_ELECTRONS = (40.0, 100_000.0)
# Read noise in electrons before amplification, and after it as a share of white.
_READ, _LATE = (0.8, 6.0), (1e-5, 2e-4)
# White balance gains of red and blue, from candles to the shade.
_RED, _BLUE = (0.8, 2.7), (1.1, 3.2)
# Chance of an exposure that clips, how far in either case, relative to the white of the picture.
_CLIPPED, _OVER, _UNDER = 0.15, (1.0, 3.0), (0.2, 1.05)
# Widths of the lens's blur in pixels, and the chance of none.
_BLURS, _SHARP = (0.2, 0.9), 0.25
# Bits of the file, with the black levels that go with them.
_FILES = ((12, (0.0, 300.0)), (14, (0.0, 2100.0)))
# How much the sensor's red, green and blue see of the two other colours of linear sRGB together, where white
# is 1, and the share of the first of the two in that. Over the matrices of eight cameras of five makers, red
# sees 0.27 to 0.51, of which 0.55 to 0.94 is green.
_OTHERS = (
    ((0.24, 0.54), (0.5, 1.03)),
    ((0.17, 0.35), (-0.02, 0.35)),
    ((0.18, 0.3), (-0.17, 0.17)),
)


@dataclass(frozen=True, eq=False)
class RawCamera:
    """A camera and one exposure with it.

    Attributes:
        colours: (3, 3), from linear sRGB to the camera's white-balanced colours; each row sums to 1.
        gains: White-balance gains of red, green and blue; green's is 1.
        exposure: Signal of the picture's white, where the sensor's white is 1.
        blur: Standard deviation of the lens's blur in pixels; 0 for none.
        electrons: Electrons at the sensor's white.
        read: Standard deviation of the read noise in electrons.
        levels: Steps of the file from black to white.
        black: Steps below black that the file can hold.
    """

    colours: Tensor
    gains: tuple[float, float, float]
    exposure: float
    blur: float
    electrons: float
    read: float
    levels: float
    black: float

    @property
    def slope(self) -> tuple[float, float, float]:
        """Variance per unit of white-balanced signal, of each colour."""
        red, green, blue = (gain / self.electrons for gain in self.gains)
        return red, green, blue

    @property
    def floor(self) -> tuple[float, float, float]:
        """Variance at black of each colour, white-balanced; rounding is a part of it."""
        variance = (self.read / self.electrons) ** 2 + 1 / (12 * self.levels**2)
        red, green, blue = (variance * gain**2 for gain in self.gains)
        return red, green, blue


def draw_raw_camera(generator: torch.Generator) -> RawCamera:
    """Draws a camera, its light and its ISO."""
    electrons = random_log_uniform(*_ELECTRONS, generator)
    early, late = random_log_uniform(*_READ, generator), random_log_uniform(*_LATE, generator)
    bits, blacks = _FILES[int(random_event(0.7, generator))]
    black = random_uniform(*blacks, generator)
    is_clipped = random_event(_CLIPPED, generator)
    return RawCamera(
        colours=draw_colours(generator),
        gains=(random_uniform(*_RED, generator), 1.0, random_uniform(*_BLUE, generator)),
        exposure=random_log_uniform(*(_OVER if is_clipped else _UNDER), generator),
        blur=0.0 if random_event(_SHARP, generator) else random_uniform(*_BLURS, generator),
        electrons=electrons,
        read=(early**2 + (late * electrons) ** 2) ** 0.5,
        levels=2.0**bits - 1 - black,
        black=black,
    )


def draw_colours(generator: torch.Generator) -> Tensor:
    """Draws a matrix (3, 3) from linear sRGB to a camera's white-balanced colours."""
    rows = torch.zeros(3, 3)
    for colour, (totals, shares) in enumerate(_OTHERS):
        total, share = random_uniform(*totals, generator), random_uniform(*shares, generator)
        first, second = (other for other in range(3) if other != colour)
        rows[colour, [colour, first, second]] = torch.tensor([1 - total, total * share, total * (1 - share)])
    return rows
