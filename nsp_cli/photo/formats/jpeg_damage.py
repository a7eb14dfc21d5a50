"""JPEGs that end too early: what is missing, and how every viewer shows the rest."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.jpeg_header import FRAMES, JpegHeader
from nsp_cli.photo.metadata import jpeg_segments

_END = b"\xff\xd9"
_PROGRESSIVE = (0xC2, 0xCA)
_COEFFICIENTS = frozenset(range(64))
# First bytes of what stands in for missing ones. One filling may happen to decode to what is shown, most
# often where only the last bits of a block are missing: of 4,674 small JPEGs that were cut in their last 50
# bytes, 59 were called whole. With three it was 1 of 14,018, by one level; six would take twice the time.
_BEGINNINGS = (0b10110101, 0b01010101, 0b00110101)
_PORTION, _RESTARTS = 1024, range(0xD0, 0xD8)


def mended(data: bytes, *, accept_damaged: bool) -> tuple[bytes, tuple[str, ...]]:
    """Returns a JPEG with its end mark, and notes on what was missing.

    Args:
        data: The whole file.
        accept_damaged: Whether a part of the picture may be missing, which decoders show in grey.

    Raises:
        ValueError: A part of the picture is missing and must not be, or there are too many segments.
        OSError, SyntaxError: There is no picture at all.
    """
    if jpeg_segments.picture_end(data) is not None:
        return data, ()
    data = data.rstrip(b"\xff")  # half of a marker, or of an escaped value
    missing = _missing(data)
    if missing is None:
        return data + _END, ("the file's end mark is missing; the picture is whole",)
    if not accept_damaged:
        raise ValueError(f"it is cut short: {missing}. --accept-damaged reads it all the same")
    return data + _END, (f"the photo is cut short: {missing}",)


def _missing(data: bytes) -> str | None:
    """Tells in words what is missing of a picture without an end mark; None if it is whole.

    Decoders do not say how far they came. What they make of other bytes in place of the missing ones does.
    """
    as_shown = _decoded(data + _END)
    fillings = (_filling(beginning) for beginning in _BEGINNINGS)
    others = (_differing(as_shown, _decoded(data + filling + _END)) for filling in fillings)
    rows = next((rows for rows in others if len(rows)), None)
    if not _has_all_scans(data):
        return "it lacks passes over the picture, so that all of it or a part is coarse or grey"
    if rows is None:
        return None
    count = len(as_shown) - int(rows[0])
    return f"the last {count} of {len(as_shown)} rows ({count / len(as_shown):.0%}) are grey or coarse"


def _differing(one: Pixels, other: Pixels) -> NDArray[np.intp]:
    """Returns the numbers of the rows in which two pictures of one size differ."""
    return np.flatnonzero((one != other).reshape(len(one), -1).any(axis=1))


def _decoded(data: bytes) -> Pixels:
    image = JpegHeader(io.BytesIO(data))
    image.load()
    return np.asarray(image)


def _filling(beginning: int) -> bytes:
    """Makes bytes that decode to something other than grey.

    Args:
        beginning: The first of them.
    """
    values = np.random.default_rng(beginning).integers(0, 255, (len(_RESTARTS), _PORTION), dtype=np.uint8)
    values[0, 0] = beginning
    # Where a part ends with the file, decoders go on only behind the mark of the next one.
    return b"".join(row.tobytes() + bytes((0xFF, mark)) for row, mark in zip(values, _RESTARTS, strict=True))


def _has_all_scans(data: bytes) -> bool:
    """Tells whether all coefficients of all channels have been sent in full."""
    channels: dict[int, set[int]] = {}
    is_progressive = False
    for marker, content in jpeg_segments.walk(data):
        if marker in FRAMES:
            is_progressive = marker in _PROGRESSIVE
            channels = {number: set() for number in content[6 : 6 + 3 * content[5] : 3]}
        elif marker == jpeg_segments.START_OF_SCAN:
            names, (first, last, precision) = content[1:-3:2], content[-3:]
            is_full = not is_progressive or precision & 15 == 0
            sent = range(first, last + 1) if is_progressive else _COEFFICIENTS
            for name in names:
                channels.setdefault(name, set()).update(sent if is_full else ())
    return all(sent >= _COEFFICIENTS for sent in channels.values())
