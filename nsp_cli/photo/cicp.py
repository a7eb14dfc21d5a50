"""Colour as four numbers (CICP, ITU-T H.273), found in HEIF and related files without a profile."""

from __future__ import annotations

from pathlib import Path

from nsp_cli.errors import InputError
from nsp_cli.photo.colour import display_p3_profile

_HDR = {16: "PQ", 18: "HLG"}
_BT709, _UNSPECIFIED, _DISPLAY_P3 = 1, 2, 12
_BT601 = (5, 6, 7)
# BT.709's curve and similar ones are for cameras. Programs show such pictures with sRGB's curve.
_SHOWN_AS_SRGB = (1, 2, 6, 13, 14, 15)


def described_profile(
    path: Path, icc_profile: bytes | None, primaries: int, transfer: int
) -> tuple[bytes | None, tuple[str, ...]]:
    """Returns a file's ICC profile, or a profile for its numbers (None for sRGB), and notes.

    Raises:
        InputError: The numbers name a colour space that nsp does not support.
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
    """Refuses high dynamic range, which nsp does not support.

    Raises:
        InputError: The transfer is PQ's or HLG's.
    """
    if transfer in _HDR:
        raise InputError(
            f"{path} is a photo of high dynamic range ({_HDR[transfer]}), which is not supported.",
            "Export it in standard dynamic range first.",
        )
