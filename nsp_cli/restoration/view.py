"""The view of a photo: its pixels as somebody would look at them. Noise is measured and removed there.

Most photos are their own view. A telescope's picture is not: it holds linear light and is almost black
until somebody stretches it, and its noise shows only then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.ops.pixels import from_unit_range, to_unit_range

# Every so many pixels are looked at, along both axes, to find out whether a photo is dark.
_STEP = 4
# Side in pixels of the places whose mean light a stretched photo keeps.
_PLACE = 32


@dataclass(frozen=True)
class View:
    """How a photo's pixel values become those of its view, and back.

    Attributes:
        midtone: The brightness that becomes 0.5 by the curve of `picture`; None if the photo is its own view.
    """

    midtone: float | None = None

    @classmethod
    def of(cls, photo: Tensor) -> View:
        """Chooses the view of a (3, H, W) photo, uint8, uint16 or float in [0, 1]."""
        if photo.dtype == torch.uint8:
            return cls()
        median = float(to_unit_range(photo[:, ::_STEP, ::_STEP]).median())
        is_dark = 0 < median < CONSTANTS.dark
        return cls(_bent(median, CONSTANTS.background) if is_dark else None)

    def picture(self, photo: Tensor) -> Tensor:
        """The view of a (3, H, W) photo: the photo itself, or float32 in [0, 1]."""
        if self.midtone is None:
            return photo
        # The curve has a pole just below black, where floats may lie.
        return _bend(to_unit_range(photo).clamp(0, 1), self.midtone)

    def undo(self, picture: Tensor, photo: Tensor) -> Tensor:
        """The photo, of any size, whose view is `picture`; of the type of `photo`, which it was made from.

        A mean in the view is not the view of the mean. So the mean light of each place is put back: noise
        has none. What is brighter than the midtone does not count, or a star that came out a little
        different would make a halo around it. What is bright is the photo's own, unless it was enlarged.
        """
        if self.midtone is None:
            return picture
        light = _bend(picture.clamp(0, 1), 1 - self.midtone)
        light += _missing(light, photo, self.midtone)
        if light.shape == photo.shape:
            own = to_unit_range(photo)
            light = torch.where(own > _bent(CONSTANTS.bright, 1 - self.midtone), own, light)
        return from_unit_range(light.clamp_(0, 1), photo.dtype)


def _missing(light: Tensor, photo: Tensor, midtone: float) -> Tensor:
    """What each place of (3, H, W) `light` lacks in the mean of its dark pixels, of the same size."""
    places = math.ceil(photo.shape[1] / _PLACE), math.ceil(photo.shape[2] / _PLACE)
    size = photo.shape[1], photo.shape[2]
    seen = light if light.shape[1:] == photo.shape[1:] else functional.adaptive_avg_pool2d(light, size)
    is_dark = (seen < midtone).float()
    missing = (to_unit_range(photo) - seen).clamp_(-midtone, midtone).mul_(is_dark)
    missing, dark = (functional.adaptive_avg_pool2d(one, places) for one in (missing, is_dark))
    missing = missing / dark.clamp(min=1 / _PLACE**2)
    return functional.interpolate(missing[None], light.shape[1:], mode="bilinear")[0]


def _bent(value: float, midtone: float) -> float:
    return (midtone - 1) * value / ((2 * midtone - 1) * value - midtone)


def _bend(light: Tensor, midtone: float) -> Tensor:
    """The curve through (0, 0), (`midtone`, 0.5) and (1, 1) that astronomers stretch with.

    1 − `midtone` undoes it.
    """
    return (midtone - 1) * light / ((2 * midtone - 1) * light - midtone)
