"""Pictures side by side on one sheet, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nsp_cli.ops.pixel_array import Pixels

_GREY, _INK = (64, 64, 64), (224, 224, 224)
_GAP, _LINE, _TEXT = 6, 24, 14


def labelled_sheet(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Pixels]]]) -> Pixels:
    """Lays pictures out in a table on neutral grey, each at 100 %.

    Args:
        columns: Title of each column.
        rows: Title of each row, and its (H, W, 3) uint8 pictures, of one size within a row.

    Returns:
        (H, W, 3) uint8.
    """
    side = max(picture.shape[1] for _, pictures in rows for picture in pictures)
    heights = [_LINE + pictures[0].shape[0] + _GAP for _, pictures in rows]
    tops = list(accumulate(heights, initial=_LINE + _GAP))
    sheet = Image.new("RGB", (_GAP + len(columns) * (side + _GAP), tops[-1]), _GREY)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    lefts = [_GAP + index * (side + _GAP) for index in range(len(columns))]
    for left, label in zip(lefts, columns, strict=True):
        draw.text((left + side // 2, _GAP), label, _INK, font, anchor="ma")
    for top, (title, pictures) in zip(tops, rows, strict=False):
        draw.text((_GAP, top), title, _INK, font)
        for left, picture in zip(lefts, pictures, strict=True):
            sheet.paste(Image.fromarray(picture), (left, top + _LINE))
    return np.asarray(sheet)
