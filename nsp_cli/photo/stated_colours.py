"""What a file says of its colours, in one order for all formats, and the ICC profile that says the same.

An ICC profile comes first, then four numbers (CICP, ITU-T H.273), then gamma and chromaticities, then
the colour space of EXIF (DCF), and without any of these the colours are sRGB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nsp_cli.errors import InputError
from nsp_cli.photo.built_profile import Primaries, built_profile
from nsp_cli.photo.colour import display_p3_profile, srgb_profile

_MOST_TAGS = 128 + 4 + 12 * 100  # bytes of a profile in which its table of tags is
_HDR = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = 2
# BT.709's curve and similar ones are for cameras. Programs show such pictures with sRGB's curve.
_SHOWN_AS_SRGB = (1, 2, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}  # by H.273's transfer
_BT601 = (5, 6, 7)
_DISPLAY_P3 = 12
_SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_PRIMARIES = {
    1: _SRGB,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.31, 0.316)),
    9: Primaries((0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)),
    _DISPLAY_P3: Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    **dict.fromkeys((_UNSPECIFIED, *_BT601), _SRGB),
}
_NAMES = {9: "BT.2020", 11: "DCI-P3", 4: "BT.470 M"}
_ADOBE = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
_ADOBE_GAMMA = 563 / 256
_GAMMA_RANGE = (0.1, 10.0)
# PNG's numbers for sRGB are rounded, and its gamma, 1 / 2.2, stands for sRGB's curve.
_ALIKE, _SRGB_GAMMA = 0.002, (2.15, 2.25)


@dataclass(frozen=True)
class StatedColours:
    """What a file says of its colours.

    Attributes:
        icc_profile: A profile.
        primaries, transfer: H.273's numbers; None where they are not stated.
        is_srgb: Whether the file says that it is sRGB.
        gamma: Exponent that turns values into light.
        chromaticities: Of the colours and of white.
        is_adobe_rgb: Whether EXIF says that it is Adobe RGB.
        is_narrow: Whether the pixels have the narrow range of video: of 8 bits, black is 16 and white 235.
    """

    icc_profile: bytes | None = None
    primaries: int | None = None
    transfer: int | None = None
    is_srgb: bool = False
    gamma: float | None = None
    chromaticities: Primaries | None = None
    is_adobe_rgb: bool = False
    is_narrow: bool = False


def profile_of(path: Path, stated: StatedColours, *, is_grey: bool) -> tuple[bytes | None, tuple[str, ...]]:
    """Returns the profile of a file's colours (None for sRGB), and notes.

    Args:
        path: The file, for messages.
        stated: What it says.
        is_grey: Whether the picture has one channel.

    Raises:
        InputError: It is of high dynamic range or has the narrow range of video, or H.273's numbers are of a
            kind that nsp does not support.
    """
    if stated.is_narrow:
        raise InputError(
            f"{path} has the narrow range of video (H.273), which is not supported.",
            "Export it in full range first.",
        )
    check_transfer(path, stated.transfer)
    check_transfer(path, _transfer_in(stated.icc_profile))
    if stated.icc_profile is not None:
        return stated.icc_profile, ()
    if stated.primaries is not None:
        return _by_numbers(path, stated, is_grey)
    if stated.is_srgb:
        return _explicit_srgb(stated, is_grey), ()
    if stated.gamma is not None or stated.chromaticities is not None:
        return _by_chromaticities(stated, is_grey), ()
    return (adobe_rgb_profile(is_grey) if stated.is_adobe_rgb else None), ()


def _transfer_in(profile: bytes | None) -> int | None:
    """Returns H.273's transfer, which a profile of high dynamic range has in a tag."""
    place = -1 if profile is None else profile[:_MOST_TAGS].find(b"cicp", 132)
    if profile is None or place < 0 or len(profile) < place + 8:
        return None
    (start,) = struct.unpack_from(">I", profile, place + 4)
    return profile[start + 9] if profile[start : start + 4] == b"cicp" and len(profile) > start + 9 else None


def _explicit_srgb(stated: StatedColours, is_grey: bool) -> bytes | None:
    """Says sRGB in a profile only where EXIF says something else, which the profile overrules."""
    if not stated.is_adobe_rgb:
        return None
    return built_profile("sRGB's curve", _SRGB, None, is_grey=True) if is_grey else srgb_profile()


def _by_numbers(path: Path, stated: StatedColours, is_grey: bool) -> tuple[bytes | None, tuple[str, ...]]:
    transfer = _UNSPECIFIED if stated.transfer is None else stated.transfer
    if (transfer not in _SHOWN_AS_SRGB and transfer not in _GAMMAS) or stated.primaries not in _PRIMARIES:
        raise InputError(
            f"{path} has H.273 primaries {stated.primaries} and transfer {transfer}, "
            "which are not supported.",
            "Export it as sRGB or Display P3, or with an ICC profile.",
        )
    gamma, primaries = _GAMMAS.get(transfer), _PRIMARIES[stated.primaries]
    notes = ("colours of BT.601 taken as sRGB",) if stated.primaries in _BT601 else ()
    if gamma is None and (is_grey or primaries == _SRGB):
        return _explicit_srgb(stated, is_grey), notes
    if gamma is None and stated.primaries == _DISPLAY_P3:
        return display_p3_profile(), ()
    name = _named(_NAMES.get(stated.primaries, "sRGB's primaries"), gamma)
    return built_profile(name, primaries, gamma, is_grey=is_grey), notes


def _by_chromaticities(stated: StatedColours, is_grey: bool) -> bytes | None:
    gamma, primaries = stated.gamma, stated.chromaticities or _SRGB
    if gamma is not None and not _GAMMA_RANGE[0] <= gamma <= _GAMMA_RANGE[1]:
        gamma = None
    is_srgb_curve = gamma is None or _SRGB_GAMMA[0] < gamma < _SRGB_GAMMA[1]
    if is_srgb_curve and (is_grey or _are_alike(primaries, _SRGB)):
        return _explicit_srgb(stated, is_grey)
    if is_srgb_curve and _are_alike(primaries, _PRIMARIES[_DISPLAY_P3]):
        return display_p3_profile()
    try:
        return built_profile(_named("stated chromaticities", gamma), primaries, gamma, is_grey=is_grey)
    except ValueError:  # nonsense, which programs ignore
        return _explicit_srgb(stated, is_grey)


def _are_alike(one: Primaries, other: Primaries) -> bool:
    return all(
        abs(a - b) < _ALIKE for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True)
    )


def _named(name: str, gamma: float | None) -> str:
    return name if gamma is None else f"{name}, gamma {gamma:.3g}"


@cache
def adobe_rgb_profile(is_grey: bool = False) -> bytes:
    """Returns a profile that is compatible with Adobe RGB (1998), or the grey one with its curve."""
    name = "compatible with Adobe RGB (1998)"
    return built_profile(name, _ADOBE, _ADOBE_GAMMA, is_grey=is_grey)


def primaries_of(white: tuple[float, ...], colours: tuple[float, ...]) -> Primaries | None:
    """Returns chromaticities from two numbers of white and six of the colours; None if there are others."""
    if len(white) != 2 or len(colours) != 6:
        return None
    (x, y), (rx, ry, gx, gy, bx, by) = white, colours
    return Primaries((rx, ry), (gx, gy), (bx, by), (x, y))


def check_transfer(path: Path, transfer: int | None) -> None:
    """Refuses high dynamic range, which nsp does not support.

    Raises:
        InputError: The transfer is PQ's or HLG's.
    """
    if transfer in _HDR:
        raise InputError(
            f"{path} is a photo of high dynamic range ({_HDR[transfer]}), which is not supported.",
            "Export it in standard dynamic range first.",
        )
