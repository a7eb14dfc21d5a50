"""The header of a TIFF, and how its directories are laid out: byte order, and classic or BigTIFF."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER_SIZE = 8  # of a classic TIFF, and so of an EXIF block


class Layout(NamedTuple):
    """How a TIFF's directories are laid out: byte order, and classic or BigTIFF."""

    order: str  # "<" or ">"
    count_code: str  # struct's letter for the number of entries
    offset_code: str  # and for offsets

    @property
    def inline(self) -> int:
        """Number of bytes of a value that fit into a row; longer values are elsewhere."""
        return struct.calcsize(self.offset_code)

    @property
    def count_size(self) -> int:
        """Bytes of the number of rows, which begins a table."""
        return struct.calcsize(self.count_code)

    @property
    def row_size(self) -> int:
        """Bytes of a row: tag, type, number of values, and the value or its place."""
        return 4 + 2 * self.inline

    @property
    def pointer_kind(self) -> int:
        """Type of an entry that points to a child: LONG, in BigTIFF LONG8."""
        return 4 if self.inline == 4 else 16

    def table_end(self, start: int, count: int) -> int:
        """Place after the rows of a table that begins at `start`: that of the link to the next IFD."""
        return start + self.count_size + count * self.row_size

    def pack_count(self, count: int) -> bytes:
        """Packs the number of rows."""
        return struct.pack(self.order + self.count_code, count)

    def pack_offset(self, place: int) -> bytes:
        """Packs a place in the file."""
        return struct.pack(self.order + self.offset_code, place)


def classic(order: str) -> Layout:
    """Layout of a classic TIFF in a byte order, "<" or ">"."""
    return Layout(order, "H", "I")


def read_layout(head: bytes) -> tuple[Layout, int]:
    """Reads a TIFF header of at least 8 bytes (16 for BigTIFF); returns the layout and IFD0's offset.

    Raises:
        ValueError: This is not a TIFF header.
    """
    if head[:2] not in (b"II", b"MM"):
        raise ValueError("no TIFF header")
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", head, 2)[0] == 43:
        return Layout(order, "Q", "Q"), struct.unpack_from(order + "Q", head, 8)[0]
    return classic(order), struct.unpack_from(order + "I", head, 4)[0]


def header(order: str, start: int) -> bytes:
    """Makes a classic TIFF header whose first directory begins at `start`."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
