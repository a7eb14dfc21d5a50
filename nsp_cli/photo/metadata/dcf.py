"""The colour space that EXIF states, by the Design rule for Camera File system (DCF)."""

from __future__ import annotations

from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.jpeg_segments import EXIF_PREFIX

_COLOUR_SPACE, _INTEROP_INDEX = 40961, 1
_UNCALIBRATED, _ADOBE = 0xFFFF, 2  # the second is not in the standard, but some cameras write it
_OPTIONAL = b"R03"


def is_adobe_rgb(exif: bytes | None) -> bool:
    """Tells whether EXIF says that a photo is in Adobe RGB; damaged EXIF says nothing."""
    if not exif:
        return False
    try:
        directory, layout = ifd.read_block(exif.removeprefix(EXIF_PREFIX))
    except ifd.IFD_ERRORS:
        return False
    return states_adobe_rgb(directory, layout.order)


def states_adobe_rgb(directory: ifd.Directory, order: str) -> bool:
    """Tells the same of EXIF's first directory."""
    shot = directory.children.get(ifd.EXIF_IFD, ifd.Directory([]))
    space = ifd.numbers(shot, order, _COLOUR_SPACE)[:1]
    below = (*shot.children.values(), directory.children.get(ifd.INTEROP_IFD, ifd.Directory([])))
    rules = [entry.value for child in below for entry in child.entries if entry.tag == _INTEROP_INDEX]
    return space == (_ADOBE,) or (
        space == (_UNCALIBRATED,) and any(rule.startswith(_OPTIONAL) for rule in rules)
    )
