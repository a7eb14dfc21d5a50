"""EXIF and TIFF directories as raw bytes: read, packed, never interpreted.

An EXIF block is a small TIFF file: a header, then directories (IFDs) of 12-byte entries.
Values stay the bytes they were, so that nothing a camera wrote is lost in translation.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 274, 34665, 34853, 40965
MAKER_NOTE = 37500
# IFD0's share of EXIF: description, maker, model, orientation, software, date, artist, host, rating,
# copyright, Windows' titles. Much else in a RAW file's IFD0 describes its pixels.
CAMERA_TAGS = frozenset({270, 271, 272, 274, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)})
# What an IFD0 says about how the file's own pixels are stored, old and reserved tags among them.
PIXEL_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, *range(317, 326), 330}
    | {*range(332, 348), 351, 400, *range(512, 522), 529, 530, 532, 531, 32995, 32996, 32997, 37724}
)
_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_LONGEST_VALUE = 2**26  # far above any maker's note; a damaged count must not allocate gigabytes
_LAST_PLACE = 2**63 - 1  # where seeking ends; BigTIFF's offsets have a bit more
_CHILDREN = (EXIF_IFD, GPS_IFD, INTEROP_IFD)

ERRORS = (ValueError, struct.error)
"""What damaged directories raise here."""


class Entry(NamedTuple):
    """One tag: its value as raw bytes, in the byte order of the file it came from."""

    tag: int
    kind: int
    length: int  # in values, not bytes
    value: bytes


@dataclass(frozen=True)
class Directory:
    """One IFD, and the directories its entries point to."""

    entries: list[Entry]
    children: dict[int, Directory] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)  # tags whose values could not be read
    places: dict[int, int] = field(
        default_factory=dict
    )  # where values and children stand outside of the table

    @property
    def is_damaged(self) -> bool:
        """Tells whether it or a child has values that could not be read."""
        return bool(self.damaged) or any(child.is_damaged for child in self.children.values())


class _Frugal:
    """A stream that gives out no more bytes in all than it holds.

    Directories that point to themselves, or thousands of tags that share one long value, would
    otherwise make hours of work and gigabytes of a small file.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = stream.seek(0, io.SEEK_END)

    def read_at(self, place: int, size: int) -> bytes:
        """Returns `size` bytes from `place`.

        Raises:
            ValueError: They are not there, or too many.
        """
        if size > min(self._left, _LONGEST_VALUE):
            raise ValueError(f"a value of {size} bytes is not plausible")
        if place > _LAST_PLACE:
            raise ValueError("a directory runs past the end")
        self._left -= size
        self._stream.seek(place)
        data = self._stream.read(size)
        if len(data) < size:
            raise ValueError("a directory runs past the end")
        return data


class Layout(NamedTuple):
    """How a TIFF's directories are laid out: byte order, and classic or BigTIFF."""

    order: str  # "<" or ">"
    count_code: str  # struct's letter for the number of entries
    offset_code: str  # and for offsets

    @property
    def inline(self) -> int:
        """Is the number of value bytes that fit into an entry itself."""
        return struct.calcsize(self.offset_code)

    @property
    def pointer_kind(self) -> int:
        """Is the type of an entry that points to a child: LONG, in BigTIFF LONG8."""
        return 4 if self.inline == 4 else 16


def read_layout(head: bytes) -> tuple[Layout, int]:
    """Reads a TIFF header of at least 8 bytes (16 for BigTIFF); returns the layout and IFD0's offset.

    Raises:
        ValueError: This is no TIFF header.
    """
    if head[:2] not in (b"II", b"MM"):
        raise ValueError("no TIFF header")
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", head, 2)[0] == 43:
        return Layout(order, "Q", "Q"), struct.unpack_from(order + "Q", head, 8)[0]
    return Layout(order, "H", "I"), struct.unpack_from(order + "I", head, 4)[0]


def read_directory(stream: BinaryIO, layout: Layout, offset: int, depth: int = 2) -> Directory:
    """Reads one IFD with its Exif, GPS and interoperability children.

    A tag or child whose value cannot be read is left out and named in `damaged`, so that one bad
    tag does not cost a photo its others.

    Raises:
        ValueError, struct.error: The directory itself runs past the end.
    """
    return _read_directory(_Frugal(stream), layout, offset, depth)


def _read_directory(stream: _Frugal, layout: Layout, offset: int, depth: int) -> Directory:
    width, size = struct.calcsize(layout.count_code), 4 + 2 * layout.inline
    count = struct.unpack(layout.order + layout.count_code, stream.read_at(offset, width))[0]
    table = stream.read_at(offset + width, count * size)
    directory = Directory([])
    for start in range(0, len(table), size):
        row = table[start : start + size]
        try:
            _add_entry(stream, layout, directory, row, depth)
        except ERRORS:
            directory.damaged.append(struct.unpack_from(layout.order + "H", row)[0])
    return directory


def next_offset(stream: BinaryIO, layout: Layout, offset: int) -> int:
    """Returns where the IFD after the one at `offset` stands; 0 after the last.

    Raises:
        ValueError, struct.error: The directory runs past the end.
    """
    frugal = _Frugal(stream)
    head = frugal.read_at(offset, struct.calcsize(layout.count_code))
    count = struct.unpack(layout.order + layout.count_code, head)[0]
    place = offset + len(head) + count * (4 + 2 * layout.inline)
    return _pointer(layout, frugal.read_at(place, layout.inline))


def _add_entry(stream: _Frugal, layout: Layout, directory: Directory, row: bytes, depth: int) -> None:
    entry = _read_entry(stream, layout, row)
    if entry is None:
        return
    if entry.tag in _CHILDREN and depth > 0 and len(entry.value) in (4, 8):
        child = int.from_bytes(entry.value, "little" if layout.order == "<" else "big")
        directory.children[entry.tag] = _read_directory(stream, layout, child, depth - 1)
        directory.places[entry.tag] = child
        return
    directory.entries.append(entry)
    if len(entry.value) > layout.inline:
        directory.places[entry.tag] = _pointer(layout, row)


def _read_entry(stream: _Frugal, layout: Layout, raw: bytes) -> Entry | None:
    tag, kind, count = struct.unpack_from(layout.order + "HH" + layout.offset_code, raw)
    if kind not in _BYTES:
        raise ValueError(f"there is no type {kind}")
    size = _BYTES[kind] * count
    if size == 0:
        return None
    if size <= layout.inline:
        return Entry(tag, kind, count, raw[-layout.inline :][:size])
    return Entry(tag, kind, count, stream.read_at(_pointer(layout, raw), size))


def _pointer(layout: Layout, row: bytes) -> int:
    place: int = struct.unpack(layout.order + layout.offset_code, row[-layout.inline :])[0]
    return place


def pack_directory(directory: Directory, layout: Layout, start: int) -> bytes:
    """Packs an IFD that will stand at byte `start`: the table, then the values, then the children."""
    entries = {entry.tag: entry for entry in directory.entries}
    size = 4 + 2 * layout.inline
    tags = entries.keys() | directory.children.keys()
    place = start + struct.calcsize(layout.count_code) + len(tags) * size + layout.inline
    rows, body = {}, bytearray()  # joined thousands of times; bytes would be copied each time
    for tag, entry in entries.items():
        rows[tag], value = _pack_entry(entry, layout, place + len(body))
        body += value
    for tag, child in directory.children.items():
        pointer = struct.pack(layout.order + layout.offset_code, place + len(body))
        rows[tag], _ = _pack_entry(Entry(tag, layout.pointer_kind, 1, pointer), layout, 0)
        body += pack_directory(child, layout, place + len(body))
    count = struct.pack(layout.order + layout.count_code, len(rows))
    return b"".join((count, *(rows[tag] for tag in sorted(rows)), bytes(layout.inline), body))


def _pack_entry(entry: Entry, layout: Layout, place: int) -> tuple[bytes, bytes]:
    """Returns the entry's row, and the value that must stand at `place` where it is too long for the row."""
    value, outside = entry.value.ljust(layout.inline, b"\0"), b""
    if len(entry.value) > layout.inline:
        value = struct.pack(layout.order + layout.offset_code, place)
        outside = entry.value + b"\0" * (len(entry.value) % 2)  # values start at even bytes
    return struct.pack(layout.order + "HH" + layout.offset_code, *entry[:3]) + value, outside


def pack_block(directory: Directory, order: str) -> bytes:
    """Makes an EXIF block: a classic TIFF header and the directory."""
    return header(order, 8) + pack_directory(directory, Layout(order, "H", "I"), 8)


def header(order: str, start: int) -> bytes:
    """Makes a classic TIFF header whose first directory stands at `start`."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)


def read_block(block: bytes) -> tuple[Directory, Layout]:
    """Reads the first IFD of an EXIF block and its children; the thumbnail's IFD is not among them.

    Raises:
        ValueError, struct.error: The block is damaged.
    """
    layout, offset = read_layout(block)
    return read_directory(io.BytesIO(block), layout, offset), layout


def camera_block(directory: Directory, order: str) -> bytes | None:
    """Makes an EXIF block of what a RAW file's IFD0 says about the shot; None where it says nothing."""
    entries = [entry for entry in directory.entries if entry.tag in CAMERA_TAGS]
    if not entries and not directory.children:
        return None
    return pack_block(Directory(entries, directory.children), order)
