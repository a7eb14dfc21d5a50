"""What a JPEG's header says: how the file is quantised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import JpegImagePlugin

Subsampling = Literal["4:4:4", "4:2:2", "4:4:0", "4:2:0"]
# By the columns and rows of luma for one of chroma.
_SUBSAMPLINGS: dict[tuple[float, float], Subsampling] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (1, 2): "4:4:0",
    (2, 2): "4:2:0",
}

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the header of the pixels, by the way in which they are coded."""


class JpegHeader(JpegImagePlugin.JpegImageFile):
    """A JPEG that is open and not decoded yet."""

    def _read_dpi_from_exif(self) -> None:
        """Does nothing: Pillow would warn about damaged EXIF, and make up 72 dpi where none is stated."""


@dataclass(frozen=True)
class JpegTables:
    """What decides the loss of a JPEG (ITU-T T.81).

    Attributes:
        luma, chroma: Quantisation steps of the 8×8 coefficients, row by row, 64 whole numbers from 1.
        subsampling: "4:2:2" halves chroma along rows, "4:4:0" along columns, "4:2:0" along both.
    """

    luma: tuple[int, ...]
    chroma: tuple[int, ...]
    subsampling: Subsampling


def read_jpeg_tables(path: Path) -> JpegTables | None:
    """Reads the header of a JPEG in colour; None for other files, and if chroma is stored in a rarer size."""
    try:
        with JpegHeader(path) as image:
            steps, layers = image.quantization, image.layer
    except (OSError, SyntaxError, ValueError):
        return None
    if len(layers) != 3:
        return None
    (_, columns, rows, luma), (_, chroma_columns, chroma_rows, chroma) = layers[:2]
    subsampling = _SUBSAMPLINGS.get((columns / chroma_columns, rows / chroma_rows))
    if subsampling is None or not {luma, chroma} <= steps.keys():
        return None
    return JpegTables(tuple(steps[luma]), tuple(steps[chroma]), subsampling)
