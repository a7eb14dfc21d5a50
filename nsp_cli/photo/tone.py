"""How a photo's values turn into light, by its colour profile."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageCms

from nsp_cli.photo.colour import profile_space

_MIDDLE = 128


def tone_gamma(profile: bytes | None) -> float | None:
    """Exponent that turns values into light about as an ICC profile does, to one decimal.

    It is that of the middle value: 1 is linear light, 2.2 about sRGB's curve. None without a profile that
    can be used.
    """
    is_grey = profile_space(profile) == "GRAY"
    if profile is None or not (is_grey or profile_space(profile) == "RGB"):
        return None
    try:
        lightness = _lightness(profile, _MIDDLE, is_grey)
    except (ImageCms.PyCMSError, OSError):
        return None
    light = ((lightness + 16) / 116) ** 3
    return round(math.log(light) / math.log(_MIDDLE / 255), 1) if 0 < light < 1 else None


def _lightness(profile: bytes, value: int, is_grey: bool) -> float:
    """CIE lightness of an 8-bit grey, 0 to 100."""
    mode = "L" if is_grey else "RGB"
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(source, target, mode, "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    grey = Image.new(mode, (1, 1), value if is_grey else (value,) * 3)
    converted = ImageCms.applyTransform(grey, transform)
    assert converted is not None  # None only when converting in place
    return converted.tobytes()[0] * 100 / 255
