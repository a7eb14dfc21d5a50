"""What a RAW file carries beside EXIF: XMP, IPTC, and what a result does not have."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nsp_cli.photo.metadata import ifd, xmp
from nsp_cli.photo.metadata.blocks import LEFT, OUTDATED
from nsp_cli.photo.metadata.bmff import file_boxes
from nsp_cli.photo.metadata.bounds import limited
from nsp_cli.photo.metadata.heif_boxes import upright
from nsp_cli.photo.metadata.ifd import Directory
from nsp_cli.photo.metadata.iptc import with_iptc
from nsp_cli.photo.metadata.raw_exif import found_directory, shot_exif
from nsp_cli.photo.metadata.tiff_directories import IPTC_TAG, RESOURCES_TAG, XMP_TAG
from nsp_cli.photo.photo import Extra
from nsp_cli.photo.sniffing import read_head

_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # of Adobe's, in Canon's CR3
_LARGEST_XMP = 2**26
# Settings of RAW programs: how they develop this file. They would apply them to its result again.
_SETTINGS = ("{http://ns.adobe.com/camera-raw-settings/1.0/}", "{http://darktable.sf.net/}")
_NAMED = {50740: "the maker's data of a DNG", 50828: "the RAW file inside a DNG"}


class RawFacts(NamedTuple):
    """The metadata of a RAW file, as `Photo` holds it."""

    exif: bytes | None
    xmp: bytes | None
    resources: bytes | None
    extras: tuple[Extra, ...]
    notes: tuple[str, ...]


def read_raw_facts(path: Path, raw: Any) -> RawFacts:
    """Reads a RAW file's metadata.

    Args:
        path: The file.
        raw: The same, opened by rawpy.
    """
    found = found_directory(path, raw)
    directory = Directory([]) if found is None else found[0]
    values = {entry.tag: entry.value for entry in directory.entries}
    packet, notes = _without_settings(values.get(XMP_TAG) or _boxed_xmp(path))
    resources, record = values.get(RESOURCES_TAG), values.get(IPTC_TAG)
    return RawFacts(
        shot_exif(path, raw),
        upright(None, packet)[1],
        resources if record is None else with_iptc(resources, record),
        tuple(_extras(path, directory, raw)),
        (*notes, *_sidecars(path)),
    )


def _is_cr3(path: Path) -> bool:
    return read_head(path)[4:12] == b"ftypcrx "


def _boxed_xmp(path: Path) -> bytes | None:
    """XMP in a CR3, in a box of its own."""
    if not _is_cr3(path):
        return None
    try:
        with path.open("rb") as file:
            for kind, place, size in limited(file_boxes(file), "boxes"):
                file.seek(place)
                if kind == b"uuid" and file.read(len(_XMP_BOX)) == _XMP_BOX:
                    return file.read(min(size - len(_XMP_BOX), _LARGEST_XMP))
    except (OSError, ValueError, struct.error):
        return None
    return None


def _without_settings(packet: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """XMP without a RAW program's settings, and a note; a damaged packet stays as it is."""
    if not packet:
        return None, ()
    try:
        is_set = any(name.startswith(_SETTINGS) for name in xmp.properties(packet))
        kept = xmp.without(packet, _SETTINGS)
    except ValueError:
        return packet, ()
    return kept, ("a RAW program's settings in XMP not kept: they are for the RAW file",) if is_set else ()


def _extras(path: Path, directory: Directory, raw: Any) -> Iterator[Extra]:
    if _is_cr3(path) or _has_maker_note(directory):  # in a CR3 it has a box of its own
        yield Extra(LEFT, "the maker note", b"")
    for entry in directory.entries:
        if entry.tag in _NAMED:
            yield Extra(LEFT, _NAMED[entry.tag], b"")
    if _has_preview(raw):
        yield Extra(OUTDATED, "preview", b"")


def _has_maker_note(directory: Directory) -> bool:
    return any(entry.tag == ifd.MAKER_NOTE_TAG for entry in directory.entries) or any(
        map(_has_maker_note, directory.children.values())
    )


def _has_preview(raw: Any) -> bool:
    import rawpy

    try:
        raw.extract_thumb()
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return False
    return True


def _sidecars(path: Path) -> tuple[str, ...]:
    """Names the files in which RAW programs store what they know of a photo: nsp does not read them."""
    names = (path.with_suffix(".xmp").name, f"{path.name}.xmp")
    there = [name for name in names if path.with_name(name).is_file()]
    return tuple(f"{name} beside it not read: what it says is not in the result" for name in there)
