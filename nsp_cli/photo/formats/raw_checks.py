"""Whether a RAW file's pixels are all there, and whether LibRaw could decode them. It reports neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nsp_cli.photo.formats.tiff_blocks import sub_places
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.bounds import directory_chain
from nsp_cli.photo.metadata.tiff_layout import read_layout

_WIDTH, _HEIGHT, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 262, 277, 284
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_SEPARATE = 2  # each colour has parts of its own
_MOSAIC, _LINEAR = 32803, 34892
_PARTS = ((273, 279), (324, 325))  # tags of where strips and tiles begin, and of how long they are
# Share of the range between black and white; 0.6 of an 8-bit level in linear light.
_BLACK = 0.002
# Share of the values that are above black. Noise lifts about half of those of a shot with the lens cap on;
# of a lossy DNG that LibRaw 0.22 cannot decode, 0.0007 are.
_LIT = 0.01


def check_complete(path: Path) -> None:
    """Finds a DNG that was cut off: LibRaw fills what is missing with black.

    Raises:
        ValueError: It ends before its pixels do, its table of strips or tiles is shorter than the picture, or
            its directories are damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        pictures = [each for each in _directories(file) if _is_of_sensor(*each)]
    if any(_part_count(*picture) < _needed_parts(*picture) for picture in pictures):
        raise ValueError("it lacks parts of its picture")
    ends = [end for picture in pictures for end in _ends(*picture)]
    if ends and max(ends) > size:
        raise ValueError(f"it ends after {size} of {max(ends)} bytes")


def _directories(file: BinaryIO) -> Iterator[tuple[ifd.Directory, str]]:
    """Yields the directories of a TIFF, and those of further pictures that they point to."""
    places = directory_chain(file)
    file.seek(0)
    layout, _ = read_layout(file.read(16))
    frugal = ifd.Frugal(file)
    for place in places:
        directory = ifd.read_directory(frugal, layout, place)
        yield directory, layout.order
        for below in sub_places(directory, layout.order):
            yield ifd.read_directory(frugal, layout, below), layout.order


def _is_of_sensor(directory: ifd.Directory, order: str) -> bool:
    """Tells a sensor's picture from a preview."""
    return _number(directory, order, _PHOTOMETRIC, 0) in (_MOSAIC, _LINEAR)


def _number(directory: ifd.Directory, order: str, tag: int, otherwise: int) -> int:
    return next(iter(ifd.numbers(directory, order, tag)), otherwise)


def _part_count(directory: ifd.Directory, order: str) -> int:
    return max(len(ifd.numbers(directory, order, first)) for first, _ in _PARTS)


def _needed_parts(directory: ifd.Directory, order: str) -> int:
    """Returns how many strips or tiles cover the picture."""

    def number(tag: int, otherwise: int) -> int:
        return _number(directory, order, tag, otherwise)

    width, height = number(_WIDTH, 0), number(_HEIGHT, 0)
    across = number(_TILE_WIDTH, width)
    down = number(_TILE_HEIGHT, number(_ROWS_PER_STRIP, height))
    planes = number(_SAMPLES, 1) if number(_PLANAR, 1) == _SEPARATE else 1
    return -(-width // max(across, 1)) * -(-height // max(down, 1)) * planes


def _ends(directory: ifd.Directory, order: str) -> Iterator[int]:
    """Yields where the parts of a picture end."""
    for first, length in _PARTS:
        starts, lengths = (ifd.numbers(directory, order, tag) for tag in (first, length))
        yield from (start + size for start, size in zip(starts, lengths, strict=False))


def check_decoded(raw: Any) -> None:
    """Finds pictures that LibRaw returns black instead of refusing them.

    Args:
        raw: Opened by rawpy, and unpacked.

    Raises:
        ValueError: No pixel is brighter than black by more than a trace, and they have no noise around black.
    """
    values, count = raw.raw_image, raw.num_colors
    if values.ndim == 3:  # (H, W, 4) even for three colours
        values = values[:, :, :count]
    black, white = min(raw.black_level_per_channel[:count]), raw.white_level
    is_dark = float(np.max(values)) - black <= _BLACK * max(white - black, 1)
    if is_dark and (np.ptp(values) == 0 or np.mean(values > black) < _LIT):
        raise ValueError("all its pixels are black, or it is of a kind that LibRaw cannot decode")
