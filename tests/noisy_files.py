"""Small files of noise, for tests of what happens around a picture and not in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, seed: int = 0, side: int = 24) -> Path:
    """Writes a square of noise in the format of the suffix, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path
