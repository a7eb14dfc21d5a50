"""Colour as four numbers (CICP, ITU-T H.273), which HEIC and AVIF carry where they have no ICC profile."""

from __future__ import annotations

from pathlib import Path

from nsp_cli.errors import InputError
from nsp_cli.photo.colour import display_p3_profile

_HDR = {16: "PQ", 18: "HLG"}
_BT709, _UNSPECIFIED, _DISPLAY_P3 = 1, 2, 12
_BT601 = (5, 6, 7)
# BT.709's curve and its kin are for cameras; programs show pictures of these by sRGB's.
_SHOWN_AS_SRGB = (1, 2, 6, 13, 14, 15)


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
