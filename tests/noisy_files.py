"""Small files of noise, for tests of what happens around a picture and not in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, seed: int = 0, side: int = 48) -> Path:
    """Writes a noisy grey square in the format of the suffix, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = 128 + 25 * np.random.default_rng(seed).standard_normal((side, side, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their path within it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
