"""The resolution in EXIF and TIFF directories: read and written."""

from __future__ import annotations

import struct

from nsp_cli.photo.metadata.ifd import Directory, Entry, pack_block
from nsp_cli.photo.metadata.ifd_rows import SHORT, with_entries
from nsp_cli.photo.metadata.tiff_layout import read_layout

X_RESOLUTION, Y_RESOLUTION, UNIT = 282, 283, 296
RESOLUTION_TAGS = frozenset({X_RESOLUTION, Y_RESOLUTION, UNIT})
_PER_INCH = {2: 1.0, 3: 2.54}  # by resolution unit: inch, centimetre; 1 means none
_LARGEST = 2**32 - 1
_RATIONAL = 5


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
    return [*entries, Entry(UNIT, SHORT, 1, struct.pack(order + "H", 2))]


def _fraction(dots: float) -> tuple[int, int]:
    per = 1000 if dots < _LARGEST / 1000 else 1
    return min(round(dots * per), _LARGEST), per


def are_alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Compares resolutions as closely as formats state them: JFIF counts whole dots."""
    return all(abs(a - b) < max(0.51, 1e-4 * a) for a, b in zip(one, other, strict=True))


def with_dpi(block: bytes, dpi: tuple[float, float]) -> bytes:
    """Copy of an EXIF block that states a resolution; everything else in it stays where it is."""
    return with_entries(block, _entries(dpi, read_layout(block)[0].order))
