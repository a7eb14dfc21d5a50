"""The blocks of metadata in a file, read apart from its pixels and from how `read_photo` carries them."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nsp_cli.photo.formats import png, webp
from nsp_cli.photo.metadata import heif_boxes, ifd, jpeg_segments, tiff_directories, xmp
from nsp_cli.photo.metadata.ifd import Directory
from nsp_cli.photo.metadata.iptc import clean_resources, with_iptc
from nsp_cli.photo.metadata.patching import thumbnail_range
from nsp_cli.photo.metadata.resolution import dpi_of
from nsp_cli.photo.photo import Photo

_ICC_PREFIX = b"ICC_PROFILE\0"
_JFIF = struct.Struct(">5s2xBHH")
_PER_INCH = {1: 1.0, 2: 2.54}  # by JFIF's unit
_APP0, _APP2 = 0xE0, 0xE2
_HEADER = 8  # bytes of an EXIF block

Dpi = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Blocks:
    """What a file carries beside its pixels."""

    exif: Directory | None = None
    order: str = "<"  # of the EXIF values
    has_thumbnail: bool = False
    xmp: bytes | None = None
    resources: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[Dpi, ...] = ()  # a file may state several
    damaged: tuple[str, ...] = ()  # in words

    @property
    def note_place(self) -> int | None:
        """Is where the maker's note stands, by which it may count offsets; None without one."""
        inner = None if self.exif is None else self.exif.children.get(ifd.EXIF_IFD)
        return None if inner is None else inner.places.get(ifd.MAKER_NOTE)

    @property
    def is_transposed(self) -> bool:
        """Tells whether the orientation swaps the axes, and with them the resolution's two numbers."""
        entries = [] if self.exif is None else self.exif.entries
        return any(
            entry.tag == ifd.ORIENTATION and entry.value.strip(b"\0")[:1] >= b"\5" for entry in entries
        )


def blocks_of_photo(photo: Photo) -> Blocks:
    """Returns what a photo in memory carries."""
    exif = _exif_blocks(photo.exif)
    return Blocks(
        exif.exif,
        exif.order,
        xmp=photo.xmp,
        resources=photo.resources,
        icc_profile=photo.icc_profile,
        dpi=exif.dpi if photo.dpi is None else (photo.dpi,),
    )


def blocks_of_file(file: BinaryIO, file_format: str) -> Blocks:
    """Reads what a file carries.

    Args:
        file: Open for reading, anywhere in it.
        file_format: "jpeg", "png", "tiff" or "webp".

    Raises:
        ValueError, LookupError, struct.error: The file is damaged.
    """
    file.seek(0)
    readers: dict[str, Callable[[BinaryIO], Blocks]] = {
        "jpeg": _of_jpeg,
        "png": _of_png,
        "webp": _of_webp,
        "tiff": _of_tiff,
        "dng": _of_dng,
        "avif": _of_avif,
    }
    return readers[file_format](file)


def _exif_blocks(block: bytes | None) -> Blocks:
    """Reads an EXIF block; values that point into its header, tables or thumbnail are damaged."""
    if not block:
        return Blocks()
    block = block.removeprefix(jpeg_segments.EXIF_PREFIX)
    try:
        directory, layout = ifd.read_block(block)
        start = ifd.read_layout(block)[1]
        thumbnail = thumbnail_range(block)
    except ifd.ERRORS:
        return Blocks(damaged=("EXIF",))
    _mark_within(directory, [(0, _HEADER), thumbnail or (0, 0), *_tables(directory, start)])
    dpi = dpi_of(directory, layout.order)
    return Blocks(
        directory,
        layout.order,
        thumbnail is not None,
        dpi=() if dpi is None else (dpi,),
        damaged=tuple(f"EXIF tag {tag}" for tag in _damaged_tags(directory)),
    )


def _tables(directory: Directory, place: int) -> Iterator[tuple[int, int]]:
    """Yields where the tables of a directory and of its children begin and end."""
    rows = len(directory.entries) + len(directory.children) + len(directory.damaged)
    yield place, place + 2 + 12 * rows
    for tag, child in directory.children.items():
        yield from _tables(child, directory.places[tag])


def _mark_within(directory: Directory, ranges: list[tuple[int, int]]) -> None:
    """Moves the entries whose values reach into one of the ranges to the damaged ones."""
    for entry in list(directory.entries):
        place = directory.places.get(entry.tag)
        if place is None:
            continue
        if any(place < end and place + len(entry.value) > first for first, end in ranges):
            directory.entries.remove(entry)
            directory.damaged.append(entry.tag)
    for child in directory.children.values():
        _mark_within(child, ranges)


def _damaged_tags(directory: Directory) -> list[int]:
    below = [tag for child in directory.children.values() for tag in _damaged_tags(child)]
    return directory.damaged + below


def _of_jpeg(file: BinaryIO) -> Blocks:
    found = list(jpeg_segments.segments(file.read()))

    def contents(marker: int, prefix: bytes) -> list[bytes]:
        return [data[len(prefix) :] for name, data in found if name == marker and data.startswith(prefix)]

    exif = _exif_blocks(b"".join(contents(jpeg_segments.APP1, jpeg_segments.EXIF_PREFIX)))
    mains = contents(jpeg_segments.APP1, jpeg_segments.XMP_PREFIX)
    packet, is_whole = xmp.joined(
        mains[-1] if mains else None, contents(jpeg_segments.APP1, jpeg_segments.EXTENDED_XMP)
    )
    block = b"".join(contents(jpeg_segments.APP13, jpeg_segments.RESOURCES_PREFIX))
    profile, is_complete = _profile(contents(_APP2, _ICC_PREFIX))
    checks = (
        ("extended XMP", is_whole),
        ("ICC profile", is_complete),
        ("image resources", clean_resources(block)[1]),
    )
    damaged = [name for name, is_right in checks if not is_right]
    return Blocks(
        exif.exif,
        exif.order,
        exif.has_thumbnail,
        packet,
        block or None,
        profile,
        (*_jfif_dpi([data for name, data in found if name == _APP0]), *exif.dpi),
        (*exif.damaged, *damaged),
    )


def _profile(portions: list[bytes]) -> tuple[bytes | None, bool]:
    """Returns the profile of numbered portions, and whether all are there."""
    if not portions:
        return None, True
    ordered = sorted(portions)
    if any(len(portion) < 2 for portion in portions) or ordered[0][1] != len(portions):
        return None, False
    return b"".join(portion[2:] for portion in ordered), True


def _jfif_dpi(headers: list[bytes]) -> tuple[Dpi, ...]:
    for header in headers:
        if header.startswith(b"JFIF\0") and len(header) >= _JFIF.size:
            _, unit, x, y = _JFIF.unpack_from(header)
            if unit in _PER_INCH and x and y:
                return ((x * _PER_INCH[unit], y * _PER_INCH[unit]),)
    return ()


def _of_png(file: BinaryIO) -> Blocks:
    facts, damaged = png.stored_facts(file.read())
    exif = _exif_blocks(facts.get(b"eXIf"))
    dpi = png.dpi_of(facts.get(b"pHYs"))
    return Blocks(
        exif.exif,
        exif.order,
        exif.has_thumbnail,
        facts.get(png.XMP_KEYWORD),
        icc_profile=facts.get(b"iCCP"),
        dpi=(*(() if dpi is None else (dpi,)), *exif.dpi),
        damaged=(*exif.damaged, *(f"PNG chunk {name}" for name in damaged)),
    )


def _of_webp(file: BinaryIO) -> Blocks:
    facts = webp.stored_facts(file.read())
    exif = _exif_blocks(facts.get(b"EXIF"))
    return Blocks(
        exif.exif,
        exif.order,
        exif.has_thumbnail,
        facts.get(b"XMP "),
        icc_profile=facts.get(b"ICCP"),
        dpi=exif.dpi,
        damaged=exif.damaged,
    )


def _of_avif(file: BinaryIO) -> Blocks:
    file.flush()
    facts = heif_boxes.read_facts(Path(file.name))
    exif = _exif_blocks(facts.exif)
    return Blocks(
        exif.exif,
        exif.order,
        exif.has_thumbnail,
        facts.xmp,
        icc_profile=facts.icc_profile,
        dpi=exif.dpi,
        damaged=exif.damaged,
    )


def _of_dng(file: BinaryIO) -> Blocks:
    """Reads the first directory, a preview's, where a DNG has its metadata."""
    layout, offset = ifd.read_layout(file.read(16))
    return _of_directory(ifd.read_directory(file, layout, offset), layout, offset)


def _of_tiff(file: BinaryIO) -> Blocks:
    return _of_directory(*_full_size_directory(file))


def _of_directory(directory: Directory, layout: ifd.Layout, offset: int) -> Blocks:
    _mark_within(directory, [(0, _HEADER), *_tables(directory, offset)])
    values = {entry.tag: entry.value for entry in directory.entries}
    resources, record = values.get(tiff_directories.RESOURCES), values.get(tiff_directories.IPTC)
    dpi = dpi_of(directory, layout.order)
    shot = dataclasses.replace(directory, entries=tiff_directories.about_the_shot(directory))
    damaged = [f"TIFF tag {tag}" for tag in _damaged_tags(directory)]
    damaged += [] if clean_resources(resources)[1] else ["image resources"]
    return Blocks(
        shot,
        layout.order,
        xmp=values.get(tiff_directories.XMP),
        resources=resources if record is None else with_iptc(resources, record),
        icc_profile=values.get(tiff_directories.ICC_PROFILE),
        dpi=() if dpi is None else (dpi,),
        damaged=tuple(damaged),
    )


def _full_size_directory(file: BinaryIO) -> tuple[Directory, ifd.Layout, int]:
    """Reads the first directory that is not a thumbnail's, as other programs do; returns its place, too."""
    layout, offset = ifd.read_layout(file.read(16))
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        directory = ifd.read_directory(file, layout, offset)
        if not tiff_directories.is_reduced(directory, layout.order):
            return directory, layout, offset
        offset = ifd.next_offset(file, layout, offset)
    raise ValueError("it holds no full-size picture")
