"""EXIF of a RAW file: lens, exposure, place, date."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.bmff import boxes, file_box
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.metadata.tiff_layout import Layout, classic, read_layout
from nsp_cli.photo.sniffing import read_head

_ERRORS = (*ifd.IFD_ERRORS, OSError)
# IFD0's share of EXIF: description, maker, model, orientation, software, date, artist, host, rating,
# copyright, Windows' titles. Much else in a RAW file's IFD0 describes its pixels.
_CAMERA_TAGS = frozenset({270, 271, 272, 274, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)})
_LENS_MODEL = 42036
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")  # the box of Canon's own in a CR3's moov
_CR3_PARTS = {b"CMT1": 0, b"CMT2": ifd.EXIF_IFD, b"CMT4": ifd.GPS_IFD}  # CMT3 is the maker note

_Found = tuple[Directory, Layout]


def first_directory(path: Path) -> _Found | None:
    """Returns a TIFF's first directory with its children; None if the file is not a TIFF."""
    with path.open("rb") as file:
        try:
            layout, offset = read_layout(file.read(16))
            return ifd.read_directory(file, layout, offset), layout
        except _ERRORS:
            return None


def shot_exif(path: Path, raw: Any) -> bytes | None:
    """Returns EXIF from the file's own directories, otherwise from its preview, otherwise from LibRaw.

    The maker note is left out: its offsets are only right in the RAW file. The lens,
    which some makers name nowhere else, is added from what LibRaw found in it.

    Args:
        path: The RAW file.
        raw: The same, opened by rawpy.
    """
    found = found_directory(path, raw)
    directory, layout = found or (Directory([]), classic("<"))
    directory = _without_maker_note(directory)
    inner = directory.children.get(ifd.EXIF_IFD)
    stated = _stated_by_libraw(raw, layout.order) if inner is None else inner.entries
    entries = stated + _lens(raw, stated)
    if entries:
        children = {} if inner is None else inner.children
        directory.children[ifd.EXIF_IFD] = Directory(entries, children)
    return _camera_block(directory, layout.order)


def found_directory(path: Path, raw: Any) -> _Found | None:
    """Returns the directory that says most of the shot; arguments as `shot_exif`."""
    return first_directory(path) or _cr3_directory(path) or _preview_directory(raw)


def _cr3_directory(path: Path) -> _Found | None:
    if read_head(path)[4:12] != b"ftypcrx ":
        return None
    try:
        parts = dict(_cr3_parts(file_box(path, b"moov")))
        blocks = {tag: ifd.read_block(parts[kind]) for kind, tag in _CR3_PARTS.items() if kind in parts}
    except _ERRORS:
        return None
    if 0 not in blocks or len({layout.order for _, layout in blocks.values()}) > 1:
        return None
    directory, layout = blocks.pop(0)
    return Directory(directory.entries, {tag: block[0] for tag, block in blocks.items()}), layout


def _cr3_parts(moov: bytes) -> list[tuple[bytes, bytes]]:
    own = [body[16:] for kind, body in boxes(moov) if kind == b"uuid" and body.startswith(_CANON)]
    return [box for body in own for box in boxes(body)]


def _preview_directory(raw: Any) -> _Found | None:
    """Returns the EXIF directory of the JPEG preview, for RAW files that are not TIFFs."""
    import rawpy

    try:
        preview = raw.extract_thumb()
        start = preview.data.find(b"Exif\0\0", 0, 64) if preview.format == rawpy.ThumbFormat.JPEG else -1
        return None if start < 0 else ifd.read_block(preview.data[start + 6 :])
    except (rawpy.LibRawError, rawpy.NotSupportedError, *_ERRORS):
        return None


def _without_maker_note(directory: Directory) -> Directory:
    entries = [entry for entry in directory.entries if entry.tag not in (ifd.MAKER_NOTE_TAG, ifd.ORIENTATION)]
    return Directory(entries, {tag: _without_maker_note(child) for tag, child in directory.children.items()})


def _stated_by_libraw(raw: Any, order: str) -> list[Entry]:
    """Makes entries of LibRaw's few facts."""
    other, entries = raw.other, []
    if other.iso_speed > 0:
        entries.append(Entry(34855, 3, 1, struct.pack(order + "H", min(round(other.iso_speed), 65535))))
    # LibRaw says 1.0 for a shutter speed or an aperture that it does not know.
    for tag, value, unknown in (
        (33434, other.shutter_speed, 1),
        (33437, other.aperture, 1),
        (37386, other.focal_length, 0),
    ):
        if value > 0 and value != unknown:
            fraction = Fraction(value).limit_denominator(10000)
            entries.append(
                Entry(tag, 5, 1, struct.pack(order + "II", fraction.numerator, fraction.denominator))
            )
    if other.timestamp.year > 1970:
        date = f"{other.timestamp:%Y:%m:%d %H:%M:%S}\0".encode()
        entries.append(Entry(36867, 2, len(date), date))
    return entries


def _lens(raw: Any, stated: list[Entry]) -> list[Entry]:
    if not raw.lens.model or any(entry.tag == _LENS_MODEL for entry in stated):
        return []
    name = raw.lens.model.encode("ascii", "replace") + b"\0"
    return [Entry(_LENS_MODEL, 2, len(name), name)]


def _camera_block(directory: Directory, order: str) -> bytes | None:
    """Makes an EXIF block of what a RAW file's IFD0 says about the shot; None if it says nothing."""
    entries = [entry for entry in directory.entries if entry.tag in _CAMERA_TAGS]
    if not entries and not directory.children:
        return None
    return ifd.pack_block(Directory(entries, directory.children), order)
