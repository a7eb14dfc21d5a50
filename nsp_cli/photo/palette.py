"""A picture in few colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nsp_cli.photo.photo import Pixels


def read_in_colours(png: Path, count: int, width: int | None) -> tuple[Pixels, Pixels]:
    """Reads a PNG file of nsp's own in the colours that suit it best.

    Args:
        png: 8-bit RGB.
        count: Colours at most, 2 to 256.
        width: In pixels at most; wider pictures are made smaller. None for any.

    Returns:
        (H, W) uint8 indices and the (N, 3) uint8 palette they point into.
    """
    with Image.open(png) as image:
        picture = image.convert("RGB")
    if width is not None:
        picture.thumbnail((width, picture.height))
    few = picture.quantize(count)
    return np.asarray(few), np.asarray(few.getpalette(), np.uint8).reshape(-1, 3)
