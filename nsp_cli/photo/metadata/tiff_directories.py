"""The metadata in the directories of a TIFF, without tifffile, which cannot write child directories."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.dcf import states_adobe_rgb
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.metadata.iptc import IPTC_ERRORS, iptc_record, with_iptc
from nsp_cli.photo.metadata.resolution import RESOLUTION_TAGS, dpi_of
from nsp_cli.photo.metadata.tiff_layout import Layout, header, read_layout
from nsp_cli.photo.photo import Photo
from nsp_cli.photo.stated_colours import StatedColours, primaries_of, profile_of

XMP_TAG, IPTC_TAG, RESOURCES_TAG, ICC_PROFILE_TAG = 700, 33723, 34377, 34675
_BLOCK_TAGS = frozenset({XMP_TAG, IPTC_TAG, RESOURCES_TAG, ICC_PROFILE_TAG})
# What an IFD0 says about how the file's own pixels are stored, old and reserved tags among them.
_PIXEL_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, *range(317, 326), 330}
    | {*range(332, 348), 351, 400, *range(512, 522), 529, 530, 532, 531, 32995, 32996, 32997, 37724}
)
# Tags that a TIFF states for itself and must not take over from another file's EXIF. Pointers are among them:
# they are among the entries only if they are damaged.
OWN_TAGS = _PIXEL_TAGS | _BLOCK_TAGS | RESOLUTION_TAGS | {ifd.EXIF_IFD, ifd.GPS_IFD, ifd.INTEROP_IFD}
_BYTE, _LONG, _UNDEFINED = 1, 4, 7
_LARGEST_BEGINNING = 2**16 - 2**12  # less than a JPEG can hold of EXIF
_STRIP_OFFSETS, _STRIP_LENGTHS, _TILE_OFFSETS = 273, 279, 324
_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4
_PHOTOMETRIC, _WHITE_POINT, _PRIMARIES = 262, 318, 319
_GREYS, _OTHERS = (0, 1), (5, 8, 9)  # others are inks and Lab, which have no primaries


class Facts(NamedTuple):
    """The metadata of a page, as `Photo` holds it. `damaged` are tags that could not be read."""

    icc_profile: bytes | None
    exif: bytes | None
    xmp: bytes | None
    resources: bytes | None
    dpi: tuple[float, float] | None
    damaged: list[int]


def read_tiff_facts(file: BinaryIO, offset: int) -> Facts:
    """Reads the metadata of the page whose directory begins at `offset`."""
    file.seek(0)
    layout, _ = read_layout(file.read(16))
    directory = ifd.read_directory(file, layout, offset)
    values = {entry.tag: entry.value for entry in directory.entries}
    resources, record = values.get(RESOURCES_TAG), values.get(IPTC_TAG)
    return Facts(
        stated_profile(directory, layout.order),
        _exif(file, directory, layout),
        values.get(XMP_TAG),
        resources if record is None else with_iptc(resources, record),
        dpi_of(directory, layout.order),
        directory.damaged,
    )


def stated_profile(directory: Directory, order: str) -> bytes | None:
    """Returns a page's colour profile, or one for what its tags and EXIF say of the colours."""
    profile = next((entry.value for entry in directory.entries if entry.tag == ICC_PROFILE_TAG), None)
    (kind,) = ifd.numbers(directory, order, _PHOTOMETRIC)[:1] or (None,)
    if kind in _OTHERS:
        return profile
    white, colours = (ifd.fractions(directory, order, tag) for tag in (_WHITE_POINT, _PRIMARIES))
    stated = StatedColours(
        profile,
        chromaticities=primaries_of(white, colours),
        is_adobe_rgb=states_adobe_rgb(directory, order),
    )
    return profile_of(Path(), stated, is_grey=kind in _GREYS)[0]


def about_the_shot(directory: Directory) -> list[Entry]:
    """Entries of an IFD0 that are neither about stored pixels nor a block that `Photo` holds separately."""
    return [entry for entry in directory.entries if entry.tag not in OWN_TAGS]


def _exif(file: BinaryIO, directory: Directory, layout: Layout) -> bytes | None:
    """Makes an EXIF block; a maker note keeps its place in it, if that is near the file's beginning."""
    shot = dataclasses.replace(directory, entries=about_the_shot(directory))
    if not shot.entries and not shot.children:
        return None
    start = _first_pixel(directory, layout)
    end = max((_end(child, shot.places[tag], layout) for tag, child in shot.children.items()), default=0)
    has_note = any(entry.tag == ifd.MAKER_NOTE_TAG for entry in _inner(shot).entries)
    is_usable = layout.inline == 4 and end <= start <= _LARGEST_BEGINNING and not shot.is_damaged
    if not (has_note and is_usable):
        return ifd.pack_block(shot, layout.order)
    file.seek(0)
    beginning = file.read(start)[8:].rstrip(b"\0")
    place = max(8 + len(beginning), end)
    place += place % 2
    first = Directory([*shot.entries, *_pointers(shot, layout)])
    block = (header(layout.order, place) + beginning).ljust(place, b"\0")
    return block + ifd.pack_directory(first, layout, place)


def _inner(directory: Directory) -> Directory:
    return directory.children.get(ifd.EXIF_IFD, Directory([]))


def _first_pixel(directory: Directory, layout: Layout) -> int:
    """Place where the pixels begin; 0 if the directory does not state it."""
    for entry in directory.entries:
        if entry.tag in (_STRIP_OFFSETS, _TILE_OFFSETS) and entry.kind == _LONG:
            return int(min(struct.unpack(f"{layout.order}{entry.length}I", entry.value)))
    return 0


def _end(directory: Directory, place: int, layout: Layout) -> int:
    """Returns where a directory that begins at `place` ends, with its values and children."""
    table = layout.table_end(place, directory.row_count) + layout.inline
    values = [directory.places.get(entry.tag, 0) + len(entry.value) for entry in directory.entries]
    below = [_end(child, directory.places[tag], layout) for tag, child in directory.children.items()]
    return max([table, *values, *below])


def _pointers(directory: Directory, layout: Layout) -> list[Entry]:
    """Returns entries that point to children already in the file."""
    return [
        Entry(tag, _LONG, 1, struct.pack(layout.order + "I", directory.places[tag]))
        for tag in directory.children
    ]


def reserve(photo: Photo, file: BinaryIO) -> bool:
    """Begins a classic TIFF with the EXIF block itself, so that everything in it keeps its offset.

    Maker notes hold offsets that count from the block's beginning; moved, they lose their meaning.
    A directory that says "no full-size picture" follows, to which tifffile appends. Damaged blocks are
    left out here: what points beyond their end would point into the pixels.

    Returns:
        Whether anything was written.
    """
    if photo.exif is None:
        return False
    directory, layout = ifd.read_block(photo.exif)
    if directory.is_damaged or not directory.children:
        return False
    start = len(photo.exif) + len(photo.exif) % 2
    # With offset and length of pixels, because tifffile would log that it misses them.
    rows = ((_SUBFILE_TYPE, _REDUCED), (_STRIP_OFFSETS, 0), (_STRIP_LENGTHS, 0))
    no_picture = [Entry(tag, _LONG, 1, struct.pack(layout.order + "I", value)) for tag, value in rows]
    file.write((header(layout.order, start) + photo.exif[8:]).ljust(start, b"\0"))
    file.write(ifd.pack_directory(Directory(no_picture), layout, start))
    file.seek(0)  # where tifffile looks for a TIFF to append to
    return True


def append_facts(photo: Photo, file: BinaryIO, *, is_reserved: bool) -> None:
    """Appends a copy of the directory with the metadata in it, and makes the header point to it.

    What tifffile's own directory says, such as where the pixels are, stays valid anywhere in the file.

    Args:
        photo: What the file is made of.
        file: Written by tifffile.
        is_reserved: What `reserve` returned.
    """
    file.seek(0)
    layout, offset = read_layout(file.read(16))
    if is_reserved:
        offset = ifd.read_link(file, layout, offset)[1]
    written = ifd.read_directory(file, layout, offset)
    directory = Directory([*_shot_entries(photo, is_reserved), *written.entries, *_block_entries(photo)])
    if photo.exif is not None and not is_reserved:
        directory.children.update(ifd.read_block(photo.exif)[0].children)
    if is_reserved:
        # What tifffile wrote before the pixels is no longer needed, and does not belong to the EXIF block.
        file.seek(len(photo.exif or b""))
        file.write(bytes(_first_pixel(written, layout) - file.tell()))
    end = file.seek(0, 2)
    start = file.seek(end + end % 2)
    file.write(ifd.pack_directory(directory, layout, start))
    file.seek(layout.inline)  # where a header points to its first directory, in BigTIFF too
    file.write(layout.pack_offset(start))


def _shot_entries(photo: Photo, is_reserved: bool) -> list[Entry]:
    """Returns IFD0's share of EXIF, with pointers to the children already in the file."""
    if photo.exif is None:
        return []
    directory, layout = ifd.read_block(photo.exif)
    return about_the_shot(directory) + (_pointers(directory, layout) if is_reserved else [])


def _block_entries(photo: Photo) -> list[Entry]:
    blocks = [
        (XMP_TAG, _BYTE, photo.xmp),
        (IPTC_TAG, _UNDEFINED, _record(photo.resources)),
        (RESOURCES_TAG, _BYTE, photo.resources),
        (ICC_PROFILE_TAG, _UNDEFINED, photo.icc_profile),
    ]
    return [Entry(tag, kind, len(value), value) for tag, kind, value in blocks if value is not None]


def _record(resources: bytes | None) -> bytes | None:
    """Returns the IPTC record, which many programs look for in a tag of its own."""
    try:
        return None if resources is None else iptc_record(resources)
    except IPTC_ERRORS:
        return None


def is_reduced(directory: Directory, order: str) -> bool:
    """Tells whether a directory is that of a thumbnail or a mask."""
    return bool(_subfile_type(directory, order) & (_REDUCED | _MASK))


def is_mask(directory: Directory, order: str) -> bool:
    """Tells whether a directory is that of a mask, which says where a picture is transparent."""
    return bool(_subfile_type(directory, order) & _MASK)


def _subfile_type(directory: Directory, order: str) -> int:
    return next(iter(ifd.numbers(directory, order, _SUBFILE_TYPE)), 0)
