"""Pictures whose denoised quality is pinned: real scenes with simulated noise, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data, metrics

from nsp_cli import denoise, load_weights, upscale
from nsp_cli.restoration.inference import Restorer

SIDE = 192
_DATA = Path(__file__).parent / "data"
# Scene → scikit-image's picture, and the crop's top and left. All ship with scikit-image. Astronaut and
# rocket are in the public domain (NASA, SpaceX); coffee (Rachel Michetti), brick, grass and gravel
# (CC0Textures) are CC0.
_CROPS = {
    "astronaut": ("astronaut", 0, 150),
    "coffee": ("coffee", 130, 150),
    "brick": ("brick", 100, 100),
    "joints": ("brick", 128, 256),  # upright edges that pass for noise
    "grass": ("grass", 100, 100),
    "gravel": ("gravel", 100, 100),
    "rocket": ("rocket", 180, 200),
    "sky": ("rocket", 0, 448),
}


@dataclass(frozen=True)
class Noise:
    """Simulated noise.

    Attributes:
        luma: Standard deviation of noise that the channels share, in 8-bit steps at middle brightness.
        chroma: The same of each channel's own noise.
        smoothings: How often a binomial filter of three pixels runs over the noise.
    """

    luma: float
    chroma: float
    smoothings: int = 0


FAINT = Noise(0.3, 0.2)
LIGHT = Noise(0.8, 0.4)
MILD = Noise(2, 1, 1)
BETWEEN_MODES = Noise(5, 6, 1)  # where blind-spot networks change from "direct" to "pd"
MIDDLE = Noise(6, 4, 1)
SMOOTHED = Noise(6, 4, 4)
COLOUR = Noise(0.3, 6, 1)
STRONG = Noise(15, 10)


@dataclass(frozen=True)
class Case:
    """A picture, its noise and the weights; the bundled sample has the noise that it has."""

    scene: str
    noise: Noise | None = None
    weights: str = "nsp-fast"


def score(case: Case, restorer: Restorer) -> tuple[float, float]:
    """PSNR in dB and SSIM of the result; by scikit-image, so that a mistake in nsp's metrics cannot hide."""
    noisy, clean = _pictures(case)
    result = upscale(noisy, restorer) if _enlarges(case) else denoise(noisy, restorer)
    similarity = metrics.structural_similarity(
        result, clean, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(metrics.peak_signal_noise_ratio(clean, result)), float(similarity)


def load(weights: str) -> Restorer:
    """Bundled weights, on the device and in the precision that the pinned values hold for."""
    return load_weights(weights, device="cpu", precision="float32")


def _enlarges(case: Case) -> bool:
    return case.weights.endswith("-x2")


def _pictures(case: Case) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Noisy and clean picture, (H, W, 3); the noisy one is half as large where the weights enlarge."""
    if case.scene == "sample":
        crop = slice(40, 40 + SIDE), slice(130, 130 + SIDE)
        files = _DATA / "sample_noisy.jpg", _DATA / "sample_clean.png"
        noisy, clean = (np.asarray(Image.open(file))[crop].copy() for file in files)
        return noisy, clean
    assert case.noise is not None
    name, top, left = _CROPS[case.scene]
    pixels = getattr(data, name)()[top : top + SIDE, left : left + SIDE]
    clean = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    given = clean.reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean((1, 3)) if _enlarges(case) else clean
    return _with_noise(given, case.noise), clean


def _with_noise(clean: NDArray[np.number], noise: Noise) -> NDArray[np.uint8]:
    # RandomState gives the same numbers in every version of numpy.
    random, (height, width, _) = np.random.RandomState(0), clean.shape
    shared, own = random.standard_normal((height, width, 1)), random.standard_normal(clean.shape)
    added = noise.luma * _smoothed(shared, noise.smoothings) + noise.chroma * _smoothed(own, noise.smoothings)
    by_brightness = np.sqrt(0.25 + 1.5 * clean / 255)
    noisy: NDArray[np.uint8] = (clean + added * by_brightness).round().clip(0, 255).astype(np.uint8)
    return noisy


def _smoothed(noise: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    for _ in range(times):
        for axis in (0, 1):
            noise = (np.roll(noise, 1, axis) + 2 * noise + np.roll(noise, -1, axis)) / 4
    return noise / float(noise.std())
