"""The metadata of a JPEG, from its segments, for the check that nothing is lost."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import BinaryIO

from nsp_cli.photo.formats.jpeg_header import FRAMES
from nsp_cli.photo.metadata import jpeg_segments, xmp
from nsp_cli.photo.metadata.blocks import Blocks, Dpi, exif_blocks
from nsp_cli.photo.metadata.dcf import is_adobe_rgb
from nsp_cli.photo.metadata.iptc import clean_resources
from nsp_cli.photo.metadata.jpeg_extras import jpeg_extras
from nsp_cli.photo.stated_colours import StatedColours, profile_of

APP0, APP2 = 0xE0, 0xE2
JFIF_PREFIX = b"JFIF\0"
JFIF = struct.Struct(">5s2xBHH")
_ICC_PREFIX = b"ICC_PROFILE\0"
_PER_INCH = {1: 1.0, 2: 2.54}  # by JFIF's unit
_CMYK_CHANNELS = 4


def profile_stated(profile: bytes | None, exif: bytes | None, *, is_grey: bool) -> bytes | None:
    """Returns a JPEG's profile, or one for the colour space that its EXIF states.

    Args:
        profile: Its ICC profile.
        exif: Its EXIF block.
        is_grey: Whether it has one channel.
    """
    return profile_of(Path(), StatedColours(profile, is_adobe_rgb=is_adobe_rgb(exif)), is_grey=is_grey)[0]


def read_jpeg_blocks(file: BinaryIO) -> Blocks:
    """Reads the metadata of a JPEG's segments, and names what is damaged."""
    data = file.read()
    found = list(jpeg_segments.segments(data))

    def contents(marker: int, prefix: bytes) -> list[bytes]:
        wanted = (content for name, content in found if name == marker and content.startswith(prefix))
        return [content[len(prefix) :] for content in wanted]

    block = b"".join(contents(jpeg_segments.APP1, jpeg_segments.EXIF_PREFIX))
    exif = exif_blocks(block)
    mains = contents(jpeg_segments.APP1, jpeg_segments.XMP_PREFIX)
    packet, is_whole = xmp.joined(
        mains[-1] if mains else None, contents(jpeg_segments.APP1, jpeg_segments.EXTENDED_XMP)
    )
    resources = b"".join(contents(jpeg_segments.APP13, jpeg_segments.RESOURCES_PREFIX))
    profile, is_complete = _profile(contents(APP2, _ICC_PREFIX))
    channels_count = next((content[5] for name, content in found if name in FRAMES and len(content) > 5), 3)
    if channels_count != _CMYK_CHANNELS:
        profile = profile_stated(profile, block, is_grey=channels_count == 1)
    checks = (
        ("extended XMP", is_whole),
        ("ICC profile", is_complete),
        ("image resources", clean_resources(resources)[1]),
    )
    return dataclasses.replace(
        exif,
        xmp=packet,
        resources=resources or None,
        icc_profile=profile,
        dpi=(*_jfif_dpi([content for name, content in found if name == APP0]), *exif.dpi),
        extras=jpeg_extras(data),
        damaged=(*exif.damaged, *(name for name, is_right in checks if not is_right)),
    )


def _profile(portions: list[bytes]) -> tuple[bytes | None, bool]:
    """Joins the numbered portions of a profile, and tells whether all are there."""
    if not portions:
        return None, True
    ordered = sorted(portions)
    if any(len(portion) < 2 for portion in portions) or ordered[0][1] != len(portions):
        return None, False
    return b"".join(portion[2:] for portion in ordered), True


def _jfif_dpi(headers: list[bytes]) -> tuple[Dpi, ...]:
    for header in headers:
        if header.startswith(JFIF_PREFIX) and len(header) >= JFIF.size:
            _, unit, x, y = JFIF.unpack_from(header)
            if unit in _PER_INCH and x and y:
                return ((x * _PER_INCH[unit], y * _PER_INCH[unit]),)
    return ()
