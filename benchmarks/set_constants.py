"""Finds the constants of detail recovery again, on simulated noise alone; prints them beside those in use.

    python benchmarks/set_constants.py [--crops 48] [--rounds 2]

The pictures come from scikit-image, their noise from the simulated camera that trains the students. Each
constant in turn is multiplied by several factors, and the one with the best mean PSNR stays. No picture of
a development set is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from skimage import data
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.noise.constants import CONSTANTS, QualityConstants
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.restoration.recovery import remove_leftover
from nsp_cli.training.seeded_random import generator_for, random_below
from nsp_cli.training.simulation.camera import camera_noise, draw_camera
from nsp_cli.training.simulation.jpeg_compression import compress, draw_compression

PICTURES = ("astronaut", "coffee", "chelsea", "rocket")
SIDE = 192
FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
NAMES = ("seeing_coarse_luma", "seeing_luma", "seeing_chroma")


@dataclass(frozen=True, eq=False)
class Crop:
    """A clean crop, the noise that nsp finds in it with noise, and the network's prediction."""

    clean: Tensor
    noise: NoiseMap
    prediction: Tensor

    def score(self, constants: QualityConstants) -> float:
        """PSNR in dB of the result with these constants."""
        result = remove_leftover(self.prediction, self.noise, constants=constants)
        return psnr((result * 255).round().clamp(0, 255).to(torch.uint8), self.clean)


def draw_crop(index: int, restorer: Restorer) -> Crop:
    """Draws a picture, a place in it and a camera."""
    generator = generator_for(0, index)
    pixels = getattr(data, PICTURES[index % len(PICTURES)])()
    top, left = (random_below(size - SIDE, generator) for size in pixels.shape[:2])
    clean = torch.from_numpy(pixels[top : top + SIDE, left : left + SIDE, :3].copy()).permute(2, 0, 1)
    seen = clean[None] / 255
    seen = seen + camera_noise(seen, [draw_camera(generator)], [generator_for(1, index)])
    noisy = (compress(seen, [draw_compression((), generator)])[0] * 255).round().to(torch.uint8)
    noise = map_noise(noisy)
    return Crop(clean, noise, restorer.denoise(noisy, noise=noise, dtype=torch.float32))


def improved(constants: QualityConstants, name: str, crops: Sequence[Crop]) -> QualityConstants:
    """The constants with the best value of one of them."""
    tried = [replace(constants, **{name: getattr(constants, name) * factor}) for factor in FACTORS]
    scores = [fmean(crop.score(one) for crop in crops) for one in tried]
    best = max(range(len(tried)), key=scores.__getitem__)
    print(f"{name:20} {getattr(tried[best], name):8.3g}  {scores[best]:.3f} dB", flush=True)
    return tried[best]


def main() -> None:
    """Prints each step, then all constants beside those in use."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crops", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    settings, constants = parser.parse_args(), CONSTANTS
    restorer = load_weights("nsp-fast", device="cpu", precision="float32")
    crops = [draw_crop(index, restorer) for index in range(settings.crops)]
    print(f"as it is: {fmean(crop.score(constants) for crop in crops):.3f} dB", flush=True)
    without = replace(constants, **dict.fromkeys(NAMES, 0.0))
    print(f"without detail recovery: {fmean(crop.score(without) for crop in crops):.3f} dB", flush=True)
    for _ in range(settings.rounds):
        for name in NAMES:
            constants = improved(constants, name, crops)
    for name in NAMES:
        print(f"{name:20} {getattr(constants, name):8.3g}  in use {getattr(CONSTANTS, name):g}")


if __name__ == "__main__":
    main()
