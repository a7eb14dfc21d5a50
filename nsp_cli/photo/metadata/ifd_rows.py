"""The rows of a directory in an EXIF block: found, and changed without moving anything else in the block.

Maker notes hold offsets into the block. So nothing is decoded and packed again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from nsp_cli.photo.metadata.ifd import Entry, pack_entry
from nsp_cli.photo.metadata.tiff_layout import Layout, read_layout

SHORT, LONG = 3, 4


def row_places(block: bytes, layout: Layout, start: int) -> tuple[dict[int, int], int]:
    """Place of each tag's row, and of the link to the next directory.

    Raises:
        ValueError, struct.error: The directory runs past the end.
    """
    places, end = _places(block, layout, start)
    return {struct.unpack_from(layout.order + "H", block, row)[0]: row for row in places}, end


def _places(block: bytes, layout: Layout, start: int) -> tuple[range, int]:
    count = struct.unpack_from(layout.order + layout.count_code, block, start)[0]
    end = layout.table_end(start, count)
    if end > len(block):
        raise ValueError("the directory runs past the end")
    return range(start + layout.count_size, end, layout.row_size), end


def number_at(block: bytes, layout: Layout, row: int) -> int:
    """Number that a row holds: a SHORT, or else a LONG."""
    kind = struct.unpack_from(layout.order + "H", block, row + 2)[0]
    value: int = struct.unpack_from(layout.order + ("H" if kind == SHORT else "I"), block, row + 8)[0]
    return value


def with_numbers(block: bytes, layout: Layout, changes: dict[int, tuple[int, int]]) -> bytes:
    """Copy of the block with other numbers in some rows.

    Args:
        block: An EXIF block.
        layout: Of the block.
        changes: Type (SHORT or LONG) and value, by the place of the row.
    """
    result = bytearray(block)
    for row, (kind, value) in changes.items():
        tag = struct.unpack_from(layout.order + "H", block, row)[0]
        packed = struct.pack(layout.order + ("H" if kind == SHORT else "I"), value)
        result[row : row + layout.row_size] = pack_entry(Entry(tag, kind, 1, packed), layout, 0)[0]
    return bytes(result)


def with_entries(block: bytes, entries: Iterable[Entry]) -> bytes:
    """Copy of the block with entries added to its first directory, in place of any with the same tag.

    A copy of the directory with the new rows goes to the end of the block, and the header points to it.
    """
    layout, start = read_layout(block)
    places, _ = row_places(block, layout, start)
    kept = {tag: block[row : row + layout.row_size] for tag, row in places.items()}
    block += bytes(len(block) % 2)
    for entry in entries:
        kept[entry.tag], outside = pack_entry(entry, layout, len(block))
        block += outside
    table = layout.pack_count(len(kept)) + b"".join(kept[tag] for tag in sorted(kept))
    return block[:4] + layout.pack_offset(len(block)) + block[8:] + table + bytes(layout.inline)


def without_tag(block: bytes, tag: int) -> bytes:
    """Copy of the block whose first directory lacks a tag; zeros fill the end of its table."""
    layout, start = read_layout(block)
    places, end = _places(block, layout, start)
    name = struct.pack(layout.order + "H", tag)
    table = [block[row : row + layout.row_size] for row in places]
    kept = [row for row in table if not row.startswith(name)]
    end += layout.inline  # the link to the next directory moves up with the rows
    link = block[end - layout.inline : end]
    packed = layout.pack_count(len(kept)) + b"".join(kept) + link
    return block[:start] + packed.ljust(end - start, b"\0") + block[end:]
