"""The view of a photo: its pixels as somebody would look at them. Noise is measured and removed there.

Most photos are their own view. Two kinds are not. A picture whose colour profile says that it holds linear
light is seen in sRGB's curve. A telescope's picture has no such profile, mostly; it is almost black until
somebody stretches it, and its noise shows only then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.ops.transfer import linear_to_srgb, srgb_to_linear
from nsp_cli.photo import Photo, tone_gamma

# Every so many pixels are looked at, along both axes, to find out whether a photo is dark.
_STEP = 4
# Side in pixels of the places whose mean light a stretched photo keeps.
_PLACE = 32
# Rows that are converted at a time.
_STRIP = 256
# Exponent below which a photo counts as linear: the middle between that of light and 1.8, the lowest that is
# in use for pictures that people look at.
_LINEAR = 1.4


@dataclass(frozen=True)
class View:
    """How a photo's pixel values become those of its view, and back.

    Attributes:
        midtone: The brightness that becomes 0.5 when a dark photo is stretched; None if it is not.
        gamma: Exponent that turns the values of a photo in linear light, or nearly so, into light; None for
            other photos.
    """

    midtone: float | None = None
    gamma: float | None = None

    @classmethod
    def of(cls, photo: Tensor, gamma: float | None = None) -> View:
        """Chooses the view of a photo.

        Args:
            photo: (3, H, W) uint8, uint16 or float in [0, 1].
            gamma: Exponent that turns its values into light; None if that is not known.
        """
        if photo.dtype != torch.uint8:
            median = float(to_unit_range(photo[:, ::_STEP, ::_STEP]).median())
            if 0 < median < CONSTANTS.dark:
                return cls(midtone=_bent(median, CONSTANTS.background))
        return cls(gamma=gamma if gamma is not None and gamma < _LINEAR else None)

    def picture(self, photo: Tensor) -> Tensor:
        """The view of a (3, H, W) photo: the photo itself, or float32 in [0, 1]."""
        if self.gamma is not None:
            return _encoded(photo, self.gamma)
        if self.midtone is None:
            return photo
        # The curve has a pole just below black, where floats may lie.
        return _bend(to_unit_range(photo).clamp(0, 1), self.midtone)

    def undo(self, picture: Tensor, photo: Tensor) -> Tensor:
        """The photo, of any size, whose view is `picture`; of the type of `photo`, which it was made from.

        A mean in the view is not the view of the mean. So the mean light of each place is put back: noise
        has none. What is brighter than the midtone does not count, or a star that came out a little
        different would make a halo around it. What is bright is the photo's own, unless it was enlarged.
        All this is for stretched photos. Of others, a pixel that stayed in the view is exactly itself.
        """
        if self.gamma is not None:
            return _decoded(picture, self.gamma, photo.dtype)
        if self.midtone is None:
            return picture
        light = _bend(picture.clamp(0, 1), 1 - self.midtone)
        light += _missing(light, photo, self.midtone)
        if light.shape == photo.shape:
            own = to_unit_range(photo)
            light = torch.where(own > _bent(CONSTANTS.bright, 1 - self.midtone), own, light)
        return from_unit_range(light.clamp_(0, 1), photo.dtype)


def view_of(photo: Photo, pixels: Tensor) -> View:
    """Chooses the view of a photo's pixels (3, H, W), which may hide some of them, by its colours too."""
    return View.of(pixels, tone_gamma(photo.icc_profile))


def _encoded(photo: Tensor, gamma: float) -> Tensor:
    """A (3, H, W) photo in sRGB's curve, float32 in [0, 1]."""
    result = torch.empty_like(photo, dtype=torch.float32)
    for start in range(0, photo.shape[1], _STRIP):
        rows = slice(start, start + _STRIP)
        result[:, rows] = linear_to_srgb(to_unit_range(photo[:, rows]).clamp(0, 1) ** gamma)
    return result


def _decoded(picture: Tensor, gamma: float, dtype: torch.dtype) -> Tensor:
    """Undoes `_encoded`."""
    result = torch.empty_like(picture, dtype=dtype)
    for start in range(0, picture.shape[1], _STRIP):
        rows = slice(start, start + _STRIP)
        result[:, rows] = from_unit_range(srgb_to_linear(picture[:, rows].clamp(0, 1)) ** (1 / gamma), dtype)
    return result


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
