"""The blocks of metadata in a file, read apart from its pixels and from how `read_photo` carries them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nsp_cli.photo.metadata import ifd, jpeg_segments
from nsp_cli.photo.metadata.ifd import Directory
from nsp_cli.photo.metadata.patching import thumbnail_range
from nsp_cli.photo.metadata.resolution import dpi_of
from nsp_cli.photo.metadata.tiff_layout import HEADER_SIZE, Layout, read_layout
from nsp_cli.photo.photo import Extra

EXIF, GPS, MAKER_NOTE, XMP, IPTC, RESOURCES, ICC, DPI = KINDS = (
    "Exif",
    "GPS",
    "MakerNote",
    "XMP",
    "IPTC",
    "image resources",
    "ICC profile",
    "resolution",
)
"""The kinds of facts that a file can hold, by their names for people."""
COMMENT, TEXT, SEGMENT, CHUNK, GAIN_MAP, VIDEO = EXTRA_KINDS = (
    "comment",
    "text",
    "JPEG segment",
    "PNG chunk",
    "gain map",
    "video",
)
"""Further kinds, of which a file may hold any number. A comment is a text without a keyword."""
COLOUR_CHUNKS = ("cICP", "sRGB", "gAMA", "cHRM")
"""PNG chunks that say what a colour profile says elsewhere."""
OUTDATED, LEFT = "outdated", "left"
"""Extras of no file that nsp writes: what would be wrong for the result, and what nsp cannot carry."""

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
    extras: tuple[Extra, ...] = ()

    @property
    def note_place(self) -> int | None:
        """Place of the maker note, from which it may count offsets; None without a note."""
        inner = None if self.exif is None else self.exif.children.get(ifd.EXIF_IFD)
        return None if inner is None else inner.places.get(ifd.MAKER_NOTE_TAG)

    @property
    def is_transposed(self) -> bool:
        """Whether the orientation swaps the axes, and with them the two numbers of the resolution."""
        entries = [] if self.exif is None else self.exif.entries
        return any(
            entry.tag == ifd.ORIENTATION and entry.value.strip(b"\0")[:1] >= b"\5" for entry in entries
        )


def exif_blocks(block: bytes | None) -> Blocks:
    """Reads an EXIF block; values that point into its header, tables or thumbnail count as damaged."""
    if not block:
        return Blocks()
    block = block.removeprefix(jpeg_segments.EXIF_PREFIX)
    try:
        directory, layout = ifd.read_block(block)
        start = read_layout(block)[1]
        thumbnail = thumbnail_range(block)
    except ifd.IFD_ERRORS:
        return Blocks(damaged=("EXIF",))
    mark_overlapping(directory, layout, start, thumbnail or (0, 0))
    dpi = dpi_of(directory, layout.order)
    return Blocks(
        directory,
        layout.order,
        thumbnail is not None,
        dpi=() if dpi is None else (dpi,),
        damaged=tuple(f"EXIF tag {tag}" for tag in damaged_tags(directory)),
    )


def mark_overlapping(
    directory: Directory, layout: Layout, start: int, thumbnail: tuple[int, int] = (0, 0)
) -> None:
    """Moves entries whose values overlap the header, a table or the thumbnail to the damaged ones.

    Args:
        directory: Changed in place, with its children.
        layout: Of the file.
        start: Place of the directory.
        thumbnail: First byte of the thumbnail, and the byte after its last.
    """
    _mark_within(directory, [(0, HEADER_SIZE), thumbnail, *_tables(directory, layout, start)])


def _tables(directory: Directory, layout: Layout, place: int) -> Iterator[tuple[int, int]]:
    """Yields where the tables of a directory and of its children begin and end."""
    yield place, layout.table_end(place, directory.row_count)
    for tag, child in directory.children.items():
        yield from _tables(child, layout, directory.places[tag])


def _mark_within(directory: Directory, ranges: list[tuple[int, int]]) -> None:
    for entry in list(directory.entries):
        place = directory.places.get(entry.tag)
        if place is None:
            continue
        if any(place < end and place + len(entry.value) > first for first, end in ranges):
            directory.entries.remove(entry)
            directory.damaged.append(entry.tag)
    for child in directory.children.values():
        _mark_within(child, ranges)


def damaged_tags(directory: Directory) -> list[int]:
    """Tags of a directory and of its children whose values could not be read."""
    below = [tag for child in directory.children.values() for tag in damaged_tags(child)]
    return directory.damaged + below
