"""Noisy RAW files with a known truth, and a tiny network for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data

from nsp_cli.networks.bayer import BayerConfig
from nsp_cli.weights.file import save_weights
from tests.raw_files import BAYER, RGB_SENSOR, write_raw

TINY_RAW = BayerConfig(widths=(4, 4, 8), encoder=(1, 1, 1), decoder=(1, 1))
WARM = RGB_SENSOR * np.array([[0.5], [1.0], [0.7]])
PHASES = (BAYER, BAYER[::-1], BAYER[:, ::-1], BAYER[::-1, ::-1])
BLACK = (500, 520, 540, 560)


def light_of(name: str, height: int = 300, width: int = 400) -> Any:
    """Linear sRGB (H, W, 3) of a photo of scikit-image."""
    photo = getattr(data, name)()[:height, :width] / 255
    return np.where(photo <= 0.04045, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4)


def write_shot(path: Path, light: Any, *, electrons: float = 500, seed: int = 0, **options: Any) -> Path:
    """Writes a DNG with shot noise."""
    seen = np.random.default_rng(seed).poisson(electrons * np.clip(light @ WARM.T, 0, 1)) / electrons
    # `write_raw` multiplies by the sensor's matrix again.
    return write_raw(path, seen @ np.linalg.inv(WARM).T, sensor=WARM, **{"black": BLACK} | options)


def save_raw_shots(folder: Path, names: tuple[str, ...] = ("chelsea", "coffee")) -> Path:
    """Writes RAW files of different phases into folder/raws and returns that."""
    raws = folder / "raws"
    raws.mkdir()
    for number, name in enumerate(names):
        write_shot(raws / f"{number}.dng", light_of(name), seed=number, pattern=PHASES[number + 1])
    return raws


def save_tiny_raw(folder: Path) -> Path:
    """Writes random weights of a RAW network and returns their file."""
    path = folder / "tiny-raw.safetensors"
    torch.manual_seed(0)
    save_weights(path, TINY_RAW.build(), network_name="bayer", config=TINY_RAW, metadata={})
    return path
