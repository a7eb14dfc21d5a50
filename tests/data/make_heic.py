"""Makes the HEIC files beside this script, which tests read: python tests/data/make_heic.py

Needs `pip install pillow-heif`, which nsp does not depend on: its wheels carry x265, which is under the GPL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

FOLDER = Path(__file__).parent
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


def patches() -> Any:
    """Returns (48, 64, 4): flat squares of 16 pixels, which 12 numbers tell and compression leaves alone."""
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    return np.kron(values, np.ones((16, 16, 1), np.uint8))


def exif(orientation: int) -> bytes:
    """Returns a block with a maker and an orientation."""
    block = Image.Exif()
    block[271], block[274] = "Maker X", orientation
    return block.tobytes()


def main() -> None:
    """Writes the files."""
    colour, lossless = patches(), {"quality": -1, "chroma": 444}
    pillow_heif.register_heif_opener()
    picture = Image.fromarray(np.ascontiguousarray(colour[:, :, :3]))
    for orientation, name in ((6, "turned"), (7, "mirrored")):
        facts = {"exif": exif(orientation), "xmp": XMP % orientation}
        picture.save(FOLDER / f"{name}.heic", **lossless, **facts)
    picture.convert("L").save(FOLDER / "grey.heic", **lossless)
    picture.save(FOLDER / "two.heic", **lossless, save_all=True, append_images=[picture.rotate(180)])
    colour[:16, :16] = 255
    deep = pillow_heif.from_bytes("RGBA;16", picture.size, (colour.astype(np.uint16) * 257).tobytes())
    deep.save(FOLDER / "deep.heic", **lossless)


if __name__ == "__main__":
    main()
