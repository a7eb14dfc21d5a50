"""The resolution that a directory states, and blocks that state one."""

from __future__ import annotations

import struct

from nsp_cli.photo.metadata.ifd import Directory, Entry, pack_block, read_layout

X_RESOLUTION, Y_RESOLUTION, UNIT = 282, 283, 296
RESOLUTION_TAGS = frozenset({X_RESOLUTION, Y_RESOLUTION, UNIT})
_PER_INCH = {2: 1.0, 3: 2.54}  # by resolution unit: inch, centimetre; 1 means none
_LARGEST = 2**32 - 1
_SHORT, _RATIONAL = 3, 5


def dpi_of(directory: Directory, order: str) -> tuple[float, float] | None:
    """Returns the horizontal and vertical resolution that an IFD states, if it states one in a unit."""
    values = {entry.tag: entry.value for entry in directory.entries}
    unit = struct.unpack(order + "H", values[UNIT][:2])[0] if UNIT in values else 2  # inch by default
    fractions = [values.get(tag, b"") for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if unit not in _PER_INCH or any(len(value) != 8 for value in fractions):
        return None
    (x, x_per), (y, y_per) = (struct.unpack(order + "II", value) for value in fractions)
    if 0 in (x, y, x_per, y_per):
        return None
    return x / x_per * _PER_INCH[unit], y / y_per * _PER_INCH[unit]


def dpi_block(dpi: tuple[float, float]) -> bytes:
    """Makes an EXIF block that states a resolution and nothing else."""
    return pack_block(Directory(_entries(dpi, "<")), "<")


def _entries(dpi: tuple[float, float], order: str) -> list[Entry]:
    tags = zip((X_RESOLUTION, Y_RESOLUTION), dpi, strict=True)
    entries = [Entry(tag, _RATIONAL, 1, struct.pack(order + "II", *_fraction(dots))) for tag, dots in tags]
    return [*entries, Entry(UNIT, _SHORT, 1, struct.pack(order + "H", 2))]


def _fraction(dots: float) -> tuple[int, int]:
    per = 1000 if dots < _LARGEST / 1000 else 1
    return min(round(dots * per), _LARGEST), per


def are_alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Compares resolutions as closely as formats state them: JFIF counts whole dots."""
    return all(abs(a - b) < max(0.51, 1e-4 * a) for a, b in zip(one, other, strict=True))


def with_dpi(block: bytes, dpi: tuple[float, float]) -> bytes:
    """Sets the resolution that an EXIF block states; everything else in it stays where it is.

    The first directory is copied behind the block with the new rows in it, and the header points to that.
    """
    layout, start = read_layout(block)
    order = layout.order
    count = struct.unpack_from(order + "H", block, start)[0]
    table = block[start + 2 : start + 2 + 12 * count]
    rows = {table[place : place + 2]: table[place : place + 12] for place in range(0, len(table), 12)}
    block += bytes(len(block) % 2)
    for tag, kind, length, value in _entries(dpi, order):
        rows[struct.pack(order + "H", tag)] = struct.pack(order + "HHI", tag, kind, length) + (
            value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", len(block))
        )
        block += value if len(value) > 4 else b""
    ordered = sorted(rows.values(), key=lambda row: struct.unpack_from(order + "H", row))
    directory = struct.pack(order + "H", len(ordered)) + b"".join(ordered) + bytes(4)
    return block[:4] + struct.pack(order + "I", len(block)) + block[8:] + directory
