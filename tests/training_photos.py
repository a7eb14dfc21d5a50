"""Synthetic training photos for the tests."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from nsp_cli.photo import CameraFacts
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.run.recipe import SampleShares


def noisy_pixels(height: int, width: int, sigma: float = 20.0, seed: int = 0) -> np.ndarray:
    """Gradient with white noise, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    scene = np.linspace(40, 200, width)[None, :, None] + np.zeros((height, 1, 3))
    return (scene + rng.normal(0, sigma, scene.shape)).clip(0, 255).astype(np.uint8)


def stored(folder: Path, pixels: np.ndarray, noise: float = 20.0, name: str = "0") -> TrainingPhoto:
    """Decoded photo, as in a pool."""
    file = folder / f"{name}.npy"
    np.save(file, pixels)
    height, width = pixels.shape[:2]
    checksum = int(pixels.sum())
    return TrainingPhoto(Path(name), file, 0, 0, height, width, noise, CameraFacts(), checksum)


def small_pool(folder: Path, count: int = 2) -> PhotoPool:
    """Pool of a few small noisy photos."""
    photos = [stored(folder, noisy_pixels(150, 140, seed=n), name=str(n)) for n in range(count)]
    return PhotoPool(tuple(photos), (), count)


def only(**shares: float) -> SampleShares:
    """Shares of training samples without any kinds but these."""
    return SampleShares(**{field.name: 0.0 for field in fields(SampleShares)} | shares)
