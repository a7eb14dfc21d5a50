"""Pictures as Sixel, of the VT240 and many since: columns of six pixels, one colour after another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BAND = 6
_EMPTY = ord("?")  # a column of no pixel; bit i added to it sets the pixel in row i
_DIGITS = 5
_Numbers = NDArray[np.int64]
_Text = NDArray[np.uint8]


def sixel_sequence(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    """Returns what a terminal must be sent to show a picture of up to 256 colours.

    Args:
        indices: (H, W) colours, each below the palette's length; less than 100,000 pixels a side.
        palette: (N, 3) sRGB.
    """
    height, width = indices.shape
    percent = (palette.astype(int) * 100 + 127) // 255
    colours = "".join(f"#{index};2;{r};{g};{b}" for index, (r, g, b) in enumerate(percent.tolist()))
    # Square pixels, said twice: some terminals go by the first parameter, some by the raster's attributes.
    return f'\x1bP7;1q"1;1;{width};{height}{colours}{_body(indices)}\x1b\\'


def _body(indices: NDArray[np.uint8]) -> str:
    """Writes all runs at once: in noise there are a million, and a loop over them takes seconds."""
    lines, columns, sixels = _sixels(indices)
    is_first = np.diff(lines, prepend=-1) != 0
    gaps = np.where(is_first, columns, np.diff(columns, prepend=0) - 1)
    starts = np.flatnonzero(is_first | (gaps > 0) | (np.diff(sixels, prepend=0) != 0))
    lengths = np.diff(starts, append=lines.size)
    parts = [
        _line_starts(lines[starts], is_first[starts]),
        _repeated(np.full(starts.size, _EMPTY, np.uint8), gaps[starts]),
        _repeated(sixels[starts], lengths),
    ]
    text = np.hstack(parts)
    return text[text > 0].tobytes().decode("ascii")


def _sixels(indices: NDArray[np.uint8]) -> tuple[_Numbers, _Numbers, _Text]:
    """Returns what is not empty, in the order it is sent: line, column and character of each.

    A line is what one colour has in one band: 256 · band + colour.
    """
    height, width = indices.shape
    rows = np.arange(height)[:, None]
    pixels = ((rows // _BAND * 256 + indices) * width + np.arange(width)) * 8 + rows % _BAND
    pixels = np.sort(pixels, axis=None)
    places = pixels >> 3
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    bits = np.add.reduceat(np.left_shift(1, pixels & 7).astype(np.uint8), starts, dtype=np.uint8)
    lines, columns = np.divmod(places[starts], width)
    return lines, columns, bits + np.uint8(_EMPTY)


def _line_starts(lines: _Numbers, is_first: NDArray[np.bool_]) -> _Text:
    """Writes the colour where a line starts, after "-" for the next band or "$" for the same again."""
    text = np.zeros((lines.size, 2 + _DIGITS), np.uint8)
    starts = lines[is_first]
    is_new_band = np.diff(starts // 256, prepend=0) != 0
    text[is_first, 0] = np.where(is_new_band, ord("-"), ord("$"))
    text[is_first, 1] = ord("#")
    text[is_first, 2:] = _digits(starts % 256)
    return text


def _repeated(characters: _Text, counts: _Numbers) -> _Text:
    """Writes each character so many times: with "!count" before it, where that is no longer."""
    text = np.zeros((counts.size, _DIGITS + 2), np.uint8)
    many = np.flatnonzero(counts > 2)
    text[many, 0] = ord("!")
    text[many, 1:-1] = _digits(counts[many])
    text[:, -2] = np.where(counts == 2, characters, text[:, -2])
    text[:, -1] = np.where(counts > 0, characters, 0)
    return text


def _digits(numbers: _Numbers) -> _Text:
    """Writes numbers in columns of digits; 0 stands where they have none."""
    text = np.zeros((numbers.size, _DIGITS), np.uint8)
    for place in range(_DIGITS):
        rest = numbers // 10**place
        text[:, -1 - place] = np.where((rest > 0) | (place == 0), rest % 10 + ord("0"), 0)
    return text
