"""Whether a RAW file's pixels are all there, and whether LibRaw could decode them. It reports neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nsp_cli.photo.formats.tiff_blocks import sub_places
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.bounds import directory_chain

_PHOTOMETRIC = 262
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
        ValueError: It ends before its pixels do, or its directories are damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = [end for directory, order in _directories(file) for end in _ends(directory, order)]
    if ends and max(ends) > size:
        raise ValueError(f"it ends after {size} of {max(ends)} bytes")


def _directories(file: BinaryIO) -> Iterator[tuple[ifd.Directory, str]]:
    """Yields the directories of a TIFF, and those of further pictures that they point to."""
    places = directory_chain(file)
    file.seek(0)
    layout, _ = ifd.read_layout(file.read(16))
    frugal = ifd.Frugal(file)
    for place in places:
        directory = ifd.read_directory(frugal, layout, place)
        yield directory, layout.order
        for below in sub_places(directory, layout.order):
            yield ifd.read_directory(frugal, layout, below), layout.order


def _ends(directory: ifd.Directory, order: str) -> Iterator[int]:
    """Yields where the parts of a sensor's picture end; nothing for a preview."""
    if ifd.numbers(directory, order, _PHOTOMETRIC)[:1] not in ((_MOSAIC,), (_LINEAR,)):
        return
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
