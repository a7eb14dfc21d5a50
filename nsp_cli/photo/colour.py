"""Colour conversion where a colour space cannot be kept: CMYK, grey in formats without it, web pages."""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import files

import numpy as np
from PIL import Image, ImageCms

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.photo import Photo, as_rgb, grey_channel, to_bit_depth

_PROFILES = files("nsp_cli.photo") / "profiles"
_ERRORS = (ImageCms.PyCMSError, OSError)  # what damaged profiles raise: when used, and when opened


@cache
def srgb_profile() -> bytes:
    """ICC profile of sRGB."""
    return _PROFILES.joinpath("srgb.icc").read_bytes()


@cache
def display_p3_profile() -> bytes:
    """ICC profile of Display P3: other primaries than sRGB's, and the same curve and white point."""
    return _PROFILES.joinpath("display_p3.icc").read_bytes()


def srgb_curve(light: Pixels) -> Pixels:
    """Encodes linear light in [0, 1], of any shape, as 16-bit sRGB."""
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    values: Pixels = np.rint(65535 * encoded).astype(np.uint16)
    return values


def srgb_light() -> Pixels:
    """Returns the linear light, in [0, 1], of each of the 65,536 values of 16-bit sRGB."""
    encoded = np.arange(65536) / 65535
    light: Pixels = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return light


def profile_space(profile: bytes | None) -> str:
    """Colour space that an ICC profile describes: "RGB", "GRAY", "CMYK", …; empty without a profile."""
    return "" if profile is None else profile[16:20].decode("ascii", "replace").strip()


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Pixels, bytes | None, str]:
    """Converts a CMYK picture to RGB: by its profile if that is usable, otherwise by the plain formula.

    Returns:
        (H, W, 3) uint8, their profile (None after the plain formula), and a note.
    """
    if profile_space(profile) == "CMYK":
        try:
            return _through_profile(image, profile or b""), srgb_profile(), "CMYK converted to sRGB"
        except _ERRORS:
            pass
    plain = np.asarray(image.convert("RGB"))
    return plain, None, "CMYK without a usable profile converted to RGB: colours are approximate"


def grey_to_srgb(grey: Pixels, profile: bytes) -> tuple[Pixels, bytes | None]:
    """Converts (H, W) uint8 from its grey profile to (H, W, 3) uint8 sRGB; returns the profile as well.

    A damaged profile is dropped and the values stay, which is how programs show such a file.
    """
    try:
        return _through_profile(Image.fromarray(grey), profile), srgb_profile()
    except _ERRORS:
        return as_rgb(grey), None


def three_channels(photo: Photo) -> tuple[Pixels, bytes | None]:
    """Returns (H, W, 3 or 4), alpha last, and its profile, for formats without grey; 8 bits.

    A grey profile on three channels is invalid; readers would ignore it and show other tones.
    """
    pixels, profile = photo.pixels, photo.icc_profile
    if photo.is_grey and profile is not None and profile_space(profile) == "GRAY":
        pixels, profile = grey_to_srgb(grey_channel(photo), profile)
    if photo.alpha is not None:
        pixels = np.dstack((pixels, photo.alpha))
    return np.ascontiguousarray(pixels), profile


def srgb_pixels(photo: Photo) -> tuple[Pixels, str]:
    """Returns a photo's colours for pages and screens without colour management.

    Returns:
        (H, W, 3) uint8 sRGB, without transparency, and how they were made, in words.
    """
    pixels, profile = to_bit_depth(photo, 8).pixels, photo.icc_profile
    if profile is None:
        return pixels, "no colour profile in the file, assumed to be sRGB"
    is_grey = profile_space(profile) == "GRAY"
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
        given = grey_channel(to_bit_depth(photo, 8)) if is_grey else pixels
        converted = _through_profile(Image.fromarray(given), profile)
    except (ImageCms.PyCMSError, OSError):
        return pixels, "its colour profile cannot be used, assumed to be sRGB"
    return converted, f"converted from the file's profile “{name or 'without a name'}” to sRGB"


def _through_profile(image: Image.Image, profile: bytes) -> Pixels:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    converted = ImageCms.profileToProfile(image, source, target, intent, "RGB", flags=flags)
    assert converted is not None  # None only when converting in place
    return np.asarray(converted)
