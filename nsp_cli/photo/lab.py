"""CIE Lab as TIFF stores it, converted to sRGB."""

from __future__ import annotations

import numpy as np

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.built_profile import D50, Primaries, colorants
from nsp_cli.photo.colour import srgb_curve

_SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_STRIP = 256
# Of the curve that CIE 15 states.
_BREAK, _SLOPE = 6 / 29, 3 * (6 / 29) ** 2


def lab_to_srgb(stored: Pixels, *, is_signed: bool) -> Pixels:
    """Converts Lab under D50 to sRGB; what lies outside of sRGB is clipped.

    Args:
        stored: (H, W, 3) uint8 or uint16: lightness, and two axes of colour in steps of 1, or 1/256.
        is_signed: Whether the axes are two's complement, as in CIELab; in ICCLab the middle is 0.

    Returns:
        (H, W, 3) of the same type.
    """
    result = np.empty(stored.shape, stored.dtype)
    for start in range(0, stored.shape[0], _STRIP):
        rows = slice(start, start + _STRIP)
        sixteen = srgb_curve(_light(stored[rows], is_signed=is_signed))
        result[rows] = sixteen if stored.dtype == np.uint16 else (sixteen.astype(np.uint32) + 128) // 257
    return result


def _light(stored: Pixels, *, is_signed: bool) -> Pixels:
    """Linear sRGB, clipped to [0, 1]."""
    signed, step = (np.int8, 1) if stored.dtype == np.uint8 else (np.int16, 256)
    lightness = stored[:, :, 0] * (100 / np.iinfo(stored.dtype).max)
    middle = 0 if is_signed else 128
    axes = stored[:, :, 1:].view(signed) if is_signed else stored[:, :, 1:]
    a, b = np.moveaxis(axes.astype(np.float64) / step - middle, -1, 0)
    y = (lightness + 16) / 116
    curved = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(curved > _BREAK, curved**3, _SLOPE * (curved - 4 / 29)) * D50
    light: Pixels = np.clip(xyz @ np.linalg.inv(colorants(_SRGB)).T, 0, 1)
    return light
