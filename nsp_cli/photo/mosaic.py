"""What a Bayer sensor saw, and the full-colour picture in the sensor's own light that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsp_cli.ops.pixel_array import Pixels

Floats = NDArray[np.floating[Any]]

# From linear sRGB.
SRGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
# Rows that are converted at a time, so that little memory is needed beside the picture.
_STRIP = 256
# Places of the four sites of a 2×2 cell, in reading order.
CELL_PLACES = tuple((slice(row, None, 2), slice(column, None, 2)) for row in (0, 1) for column in (0, 1))


@dataclass(frozen=True, eq=False)
class SensorColours:
    """How a camera sees colours.

    Attributes:
        gains: (3,) factors of red, green and blue that make the shot's white neutral; the least is 1.
        to_srgb: (3, 3) from balanced camera colours to linear sRGB; its rows sum to 1.
        daylight: (3,) gains for D65, of any scale.
    """

    gains: Floats
    to_srgb: Floats
    daylight: Floats

    @property
    def from_xyz(self) -> Floats:
        """(3, 3) matrix from XYZ to camera colours that are not balanced, as DNG files state it."""
        seen = np.linalg.inv(self.to_srgb.astype(float)) / self.daylight[:, None]
        matrix: Floats = (seen @ np.linalg.inv(SRGB_TO_XYZ)).astype(np.float32)
        return matrix


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Values of a Bayer sensor, as the file has them.

    Attributes:
        samples: (H, W) uint16, not turned.
        first_red: Row and column of the first red value, 0 or 1.
        black: (4,) values without light, of the sites of a 2×2 cell in reading order.
        white: Value over black at which the sensor clips.
        colours: Colours of the camera.
        flip: How they must be turned: bit 1 mirrors columns, bit 2 rows, then bit 4 swaps the axes.
        exposure: By how much to brighten the picture, in EV.
    """

    samples: Pixels
    first_red: tuple[int, int]
    black: Floats
    white: float
    colours: SensorColours
    flip: int = 0
    exposure: float = 0.0

    def light(self) -> Floats:
        """(H, W) float32 linear light: black is 0, below which noise may reach, and white is 1."""
        light = self.samples.astype(np.float32)
        for black, place in zip(self.black, CELL_PLACES, strict=True):
            light[place] -= black
        light /= np.float32(self.white)
        return light

    def window(self, top: int, left: int, height: int, width: int) -> Mosaic:
        """A part of the mosaic, by its place in the upright picture."""
        if self.flip & 4:
            top, left, height, width = left, top, width, height
        rows, columns = self.samples.shape
        top = rows - top - height if self.flip & 2 else top
        left = columns - left - width if self.flip & 1 else left
        black = np.roll(self.black.reshape(2, 2), (-top, -left), (0, 1)).ravel()
        first_red = ((self.first_red[0] - top) % 2, (self.first_red[1] - left) % 2)
        samples = self.samples[top : top + height, left : left + width]
        return replace(self, samples=samples, black=black, first_red=first_red)

    def upright(self, picture: Pixels) -> Pixels:
        """Turns a picture (H, W, 3) of the mosaic."""
        turned = _mirrored(picture, self.flip)
        return np.ascontiguousarray(turned.swapaxes(0, 1) if self.flip & 4 else turned)


def as_on_sensor(picture: Pixels, flip: int) -> Pixels:
    """View of an upright picture (H, W, 3) as the sensor has it."""
    return _mirrored(picture.swapaxes(0, 1) if flip & 4 else picture, flip)


def _mirrored(picture: Pixels, flip: int) -> Pixels:
    return picture[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]


@dataclass(frozen=True, eq=False)
class SensorPicture:
    """A full-colour picture in the light that a sensor sees, upright.

    Attributes:
        pixels: (H, W, 3) uint16 linear, not balanced: black is 0, white of each colour is 65535.
        colours: Colours of the camera.
        exposure: By how much to brighten it, in EV.
    """

    pixels: Pixels
    colours: SensorColours
    exposure: float = 0.0

    def to_srgb(self) -> Pixels:
        """(H, W, 3) uint16 linear sRGB. What the sensor clipped is white, as in LibRaw's development."""
        result = np.empty_like(self.pixels)
        matrix = self.colours.to_srgb.T.astype(np.float32)
        for top in range(0, len(result), _STRIP):
            rows = slice(top, top + _STRIP)
            balanced = np.minimum(self.pixels[rows] * self.colours.gains, np.float32(65535))
            result[rows] = np.rint(np.clip(balanced @ matrix, 0, 65535))
        return result
