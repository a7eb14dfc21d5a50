"""Interlaced PNGs, taken apart into their seven passes.

imagecodecs decodes them too, but libpng then prints a warning to standard error for each.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.png_chunks import pack_chunk

# First column and row of each pass, and the steps between its columns and rows.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_NAME, _BODY = slice(4, 8), slice(8, -4)


def decode_interlaced(picture: Sequence[memoryview]) -> Pixels:
    """Decodes a PNG, (H, W) or (H, W, 2 to 4), as imagecodecs decodes one without interlacing.

    Args:
        picture: The signature and whole chunks.

    Raises:
        ValueError, zlib.error, imagecodecs.PngError: It is damaged.
    """
    import imagecodecs

    width, height, depth, colour = struct.unpack_from(">IIBB", picture[1][_BODY])
    colours = [chunk for chunk in picture if bytes(chunk[_NAME]) in (b"PLTE", b"tRNS")]
    image: Pixels | None = None
    for (left, top, across, down), size, rows in _passes(picture, width, height, depth * _CHANNELS[colour]):
        header = pack_chunk(b"IHDR", struct.pack(">II5B", *size, depth, colour, 0, 0, 0))
        pixels = pack_chunk(b"IDAT", zlib.compress(rows, 1))
        part = imagecodecs.png_decode(
            b"".join((picture[0], header, *colours, pixels, pack_chunk(b"IEND", b"")))
        )
        if image is None:
            image = np.empty((height, width, *part.shape[2:]), part.dtype)
        image[top::down, left::across] = part
    assert image is not None  # the first pass is never empty
    return image


def _passes(
    picture: Sequence[memoryview], width: int, height: int, bits: int
) -> Iterator[tuple[tuple[int, int, int, int], tuple[int, int], bytes]]:
    """Yields place and steps, width and height, and filtered rows of each pass that holds pixels."""
    sizes = [
        (-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in _PASSES
    ]
    lengths = [
        (1 + -(-columns * bits // 8)) * rows if columns > 0 and rows > 0 else 0 for columns, rows in sizes
    ]
    packed = b"".join(chunk[_BODY] for chunk in picture if bytes(chunk[_NAME]) == b"IDAT")
    data = zlib.decompressobj().decompress(packed, sum(lengths))
    place = 0
    for where, (columns, rows), length in zip(_PASSES, sizes, lengths, strict=True):
        if length:
            if place + length > len(data):
                raise ValueError("a part of the picture is missing")
            yield where, (columns, rows), data[place : place + length]
            place += length
