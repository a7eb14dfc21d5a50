"""Colour as four numbers (CICP, ITU-T H.273), which HEIC and AVIF carry where they have no ICC profile."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

from nsp_cli.errors import InputError
from nsp_cli.photo.colour import srgb_profile

_HDR = {16: "PQ", 18: "HLG"}
_BT709, _UNSPECIFIED, _DISPLAY_P3 = 1, 2, 12
_BT601 = (5, 6, 7)
# BT.709's curve and its kin are for cameras; programs show pictures of these by sRGB's.
_SHOWN_AS_SRGB = (1, 2, 6, 13, 14, 15)
# Red, green and blue of Display P3 as XYZ under D50, and as chromaticities.
_P3_XYZ = {
    b"rXYZ": (0.515121, 0.241196, -0.001053),
    b"gXYZ": (0.291977, 0.692245, 0.041885),
    b"bXYZ": (0.157104, 0.066574, 0.784073),
}
_P3_CHROMATICITIES = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
_NAME, _P3_NAME = "sRGB built-in", "Display P3   "
_TAG_TABLE = 128


def described_profile(
    path: Path, icc_profile: bytes | None, primaries: int, transfer: int
) -> tuple[bytes | None, tuple[str, ...]]:
    """Returns the file's ICC profile, else one that says what the numbers say or none for sRGB; and notes.

    Raises:
        InputError: High dynamic range, or a colour space that would have to be guessed at.
    """
    if icc_profile is not None:
        return icc_profile, ()
    if transfer not in _SHOWN_AS_SRGB or primaries not in (_BT709, _UNSPECIFIED, _DISPLAY_P3, *_BT601):
        raise InputError(
            f"{path} has H.273 primaries {primaries} and transfer {transfer}, which are not supported.",
            "Export it as sRGB or Display P3, or with an ICC profile.",
        )
    if primaries == _DISPLAY_P3:
        return display_p3_profile(), ()
    return None, (("colours of BT.601 taken as sRGB",) if primaries in _BT601 else ())


def check_transfer(path: Path, transfer: int) -> None:
    """Refuses high dynamic range, whose values are no light of a photo's kind.

    Raises:
        InputError: The transfer is PQ's or HLG's.
    """
    if transfer in _HDR:
        raise InputError(
            f"{path} is a photo of high dynamic range ({_HDR[transfer]}), which is not supported.",
            "Export it in standard dynamic range first.",
        )


@cache
def display_p3_profile() -> bytes:
    """Returns a Display P3 profile: sRGB's, whose curve and white it shares, with other primaries."""
    profile = bytearray(srgb_profile().replace(_NAME.encode("utf-16-be"), _P3_NAME.encode("utf-16-be")))
    for row in range(struct.unpack_from(">I", profile, _TAG_TABLE)[0]):
        tag, place = struct.unpack_from(">4sI", profile, _TAG_TABLE + 4 + 12 * row)
        if tag in _P3_XYZ:
            struct.pack_into(">3i", profile, place + 8, *(round(65536 * value) for value in _P3_XYZ[tag]))
        if tag == b"chrm":
            values = (round(65536 * value) for value in _P3_CHROMATICITIES)
            struct.pack_into(">6I", profile, place + 12, *values)
    return bytes(profile)
