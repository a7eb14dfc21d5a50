"""Makes the README's picture of three strengths: two parts of the bundled sample at 0.5, 1 and 1.5.

The sample is CC0 (`tests/data/make_sample.py` says where it comes from).

    python .github/assets/make_strengths.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nsp_cli import Strength, denoise, load_weights

SAMPLE = Path(__file__).parents[2] / "tests/data/sample_noisy.jpg"
STRENGTHS = (0.5, 1.0, 1.5)
# Left edges and top edges: an eye with fur, and whiskers before a soft background.
PARTS = ((120, 60), (250, 150))
SIDE, GAP, TITLE = 150, 4, 22


def main() -> None:
    """Writes strengths.png beside this script: a row for each part, a column for each version."""
    photo, restorer = np.asarray(Image.open(SAMPLE)), load_weights()
    versions = {"photo": photo}
    for strength in STRENGTHS:
        versions[f"{strength:g}"] = denoise(photo, restorer, strength=Strength(strength, strength))
    columns = [column_of(name, pixels) for name, pixels in versions.items()]
    sheet = Image.new("RGB", (len(columns) * (SIDE + GAP) - GAP, columns[0].height), "white")
    for index, column in enumerate(columns):
        sheet.paste(column, (index * (SIDE + GAP), 0))
    sheet.save(Path(__file__).with_name("strengths.png"), optimize=True)


def column_of(name: str, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    """Column of the sheet: the version's name above its parts."""
    column = Image.new("RGB", (SIDE, TITLE + len(PARTS) * (SIDE + GAP) - GAP), "white")
    ImageDraw.Draw(column).text((2, 2), name, "black", ImageFont.load_default(14))
    for row, (left, top) in enumerate(PARTS):
        part = Image.fromarray(pixels[top : top + SIDE, left : left + SIDE])
        column.paste(part, (0, TITLE + row * (SIDE + GAP)))
    return column


if __name__ == "__main__":
    main()
