"""EXIF and TIFF directories as raw bytes: read, packed, never interpreted.

An EXIF block is a small TIFF file: a header, then directories (IFDs) of 12-byte entries.
Values stay the bytes they were, so that nothing a camera wrote is lost in translation.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from nsp_cli.photo.metadata.tiff_layout import HEADER_SIZE, Layout, classic, header, read_layout

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 274, 34665, 34853, 40965
MAKER_NOTE_TAG = 37500
# Bytes of one value, by its type.
_BYTES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), start=1)) | {16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # struct's letters of types of whole numbers
_FRACTIONS = {5: "II", 10: "ii"}  # RATIONAL, SRATIONAL
_LONGEST_VALUE = 2**26  # far above any maker note; a damaged count must not allocate gigabytes
_LAST_PLACE = 2**63 - 1  # where seeking ends; BigTIFF's offsets have a bit more
_CHILDREN = (EXIF_IFD, GPS_IFD, INTEROP_IFD)

IFD_ERRORS = (ValueError, struct.error)
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
    places: dict[int, int] = field(default_factory=dict)  # of values outside of the table, and of children

    @property
    def row_count(self) -> int:
        """Number of rows in its table, those of damaged tags and of children among them."""
        return len(self.entries) + len(self.children) + len(self.damaged)

    @property
    def is_damaged(self) -> bool:
        """Whether it or a child has values that could not be read."""
        return bool(self.damaged) or any(child.is_damaged for child in self.children.values())


class Frugal:
    """A stream that gives out no more bytes in all than it holds.

    Directories that point to themselves, or thousands of tags that share one long value, would otherwise
    turn a small file into hours of work and gigabytes of memory.
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


def read_directory(stream: BinaryIO | Frugal, layout: Layout, offset: int, depth: int = 2) -> Directory:
    """Reads one IFD with its Exif, GPS and interoperability children.

    A tag or child whose value cannot be read is left out and named in `damaged`, so that one bad
    tag does not cost a photo its others.

    Args:
        stream: The file. For several directories of one file, a `Frugal` bounds all of them together.
        layout: Of the file.
        offset: Place of the directory.
        depth: How many levels of children are read.

    Raises:
        ValueError, struct.error: The directory itself runs past the end.
    """
    frugal = stream if isinstance(stream, Frugal) else Frugal(stream)
    return _read_directory(frugal, layout, offset, depth)


def _read_directory(stream: Frugal, layout: Layout, offset: int, depth: int) -> Directory:
    width, size = layout.count_size, layout.row_size
    count = struct.unpack(layout.order + layout.count_code, stream.read_at(offset, width))[0]
    table = stream.read_at(offset + width, count * size)
    directory = Directory([])
    for start in range(0, len(table), size):
        row = table[start : start + size]
        try:
            _add_entry(stream, layout, directory, row, depth)
        except IFD_ERRORS:
            directory.damaged.append(struct.unpack_from(layout.order + "H", row)[0])
    return directory


def read_link(stream: BinaryIO, layout: Layout, offset: int) -> tuple[int, int]:
    """Returns how many rows the IFD at `offset` has, and the offset of the IFD after it; 0 after the last.

    Raises:
        ValueError, struct.error: The directory runs past the end.
    """
    frugal = Frugal(stream)
    count = struct.unpack(layout.order + layout.count_code, frugal.read_at(offset, layout.count_size))[0]
    return count, _pointer(layout, frugal.read_at(layout.table_end(offset, count), layout.inline))


def _add_entry(stream: Frugal, layout: Layout, directory: Directory, row: bytes, depth: int) -> None:
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


def _read_entry(stream: Frugal, layout: Layout, raw: bytes) -> Entry | None:
    tag, kind, count = struct.unpack_from(layout.order + "HH" + layout.offset_code, raw)
    if kind not in _BYTES:
        raise ValueError(f"type {kind} does not exist")
    size = _BYTES[kind] * count
    if size == 0:
        return None
    if size <= layout.inline:
        return Entry(tag, kind, count, raw[-layout.inline :][:size])
    return Entry(tag, kind, count, stream.read_at(_pointer(layout, raw), size))


def _pointer(layout: Layout, row: bytes) -> int:
    place: int = struct.unpack(layout.order + layout.offset_code, row[-layout.inline :])[0]
    return place


def numbers(directory: Directory, order: str, tag: int) -> tuple[int, ...]:
    """Returns the whole numbers that a tag of a directory holds; none if it is absent or of another type."""
    entry = next((entry for entry in directory.entries if entry.tag == tag), None)
    if entry is None or entry.kind not in _WHOLE:
        return ()
    return struct.unpack(f"{order}{entry.length}{_WHOLE[entry.kind]}", entry.value)


def fractions(directory: Directory, order: str, tag: int) -> tuple[float, ...]:
    """Returns the fractions that a tag holds, those by zero as 0; none if it is absent or of another type."""
    entry = next((entry for entry in directory.entries if entry.tag == tag), None)
    if entry is None or entry.kind not in _FRACTIONS:
        return ()
    pairs = struct.iter_unpack(order + _FRACTIONS[entry.kind], entry.value)
    return tuple(number / per if per else 0.0 for number, per in pairs)


def pack_directory(directory: Directory, layout: Layout, start: int) -> bytes:
    """Packs an IFD that will begin at byte `start`: the table, then the values, then the children."""
    entries = {entry.tag: entry for entry in directory.entries}
    tags = entries.keys() | directory.children.keys()
    place = layout.table_end(start, len(tags)) + layout.inline
    rows, body = {}, bytearray()  # joined thousands of times; bytes would be copied each time
    for tag, entry in entries.items():
        rows[tag], value = pack_entry(entry, layout, place + len(body))
        body += value
    for tag, child in directory.children.items():
        pointer = layout.pack_offset(place + len(body))
        rows[tag], _ = pack_entry(Entry(tag, layout.pointer_kind, 1, pointer), layout, 0)
        body += pack_directory(child, layout, place + len(body))
    table = (rows[tag] for tag in sorted(rows))
    return b"".join((layout.pack_count(len(rows)), *table, bytes(layout.inline), body))


def pack_entry(entry: Entry, layout: Layout, place: int) -> tuple[bytes, bytes]:
    """Returns the entry's row, and the value that must be at `place` if it is too long for the row."""
    value, outside = entry.value.ljust(layout.inline, b"\0"), b""
    if len(entry.value) > layout.inline:
        value = layout.pack_offset(place)
        outside = entry.value + b"\0" * (len(entry.value) % 2)  # values start at even bytes
    return struct.pack(layout.order + "HH" + layout.offset_code, *entry[:3]) + value, outside


def pack_block(directory: Directory, order: str) -> bytes:
    """Makes an EXIF block: a classic TIFF header and the directory."""
    return header(order, HEADER_SIZE) + pack_directory(directory, classic(order), HEADER_SIZE)


def read_block(block: bytes) -> tuple[Directory, Layout]:
    """Reads the first IFD of an EXIF block and its children; the thumbnail's IFD is not among them.

    Raises:
        ValueError, struct.error: The block is damaged.
    """
    layout, offset = read_layout(block)
    return read_directory(io.BytesIO(block), layout, offset), layout
