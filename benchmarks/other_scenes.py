"""Scores weights on a kind of picture that was not in their training: small, sharp, scaled down for a screen.

    python benchmarks/other_scenes.py [MODEL ...]

The pictures come from scikit-image. Their noise is simulated: raw, or as it is in a camera's JPEG. Prints
PSNR and SSIM of each noisy picture and of each model's result, and the means.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

import torch
from skimage import color, data
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.evaluation.metrics import psnr, ssim
from nsp_cli.restoration import pipeline
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.camera import camera_noise, draw_camera
from nsp_cli.training.simulation.jpeg_compression import Compression, compress, standard_tables
from nsp_cli.training.simulation.noise_reduction import NoiseReduction, reduced_noise
from nsp_cli.training.simulation.sensor import SensorNoise, add_sensor_noise

PICTURES = ("astronaut", "coffee", "grass", "brick", "gravel", "chelsea", "rocket", "camera", "moon", "page")
SIDE = 512
RAW = SensorNoise(shot=0.004, read=0.0001, gains=(2.0, 1.7))
REDUCTION = NoiseReduction(threshold=1.0, strength=0.5, width=1.2)
# Levels of luma and chroma, and the width of the camera's smoothing.
JPEGS = ((4, 1.2, 0.8), (8, 3, 0.7), (15, 8, 0.8))


def picture(name: str) -> Tensor:
    """Picture of scikit-image, (3, H, W) uint8."""
    pixels = getattr(data, name)()
    pixels = pixels if pixels.ndim == 3 else color.gray2rgb(pixels)
    return torch.from_numpy(pixels[:SIDE, :SIDE, :3].copy()).permute(2, 0, 1)


def jpeg_of(luma: float, chroma: float, width: float) -> Callable[[Tensor], Tensor]:
    """Function that adds noise of these levels to a (3, H, W) picture and compresses it like a camera."""
    camera = replace(
        draw_camera(generator_for(0)),
        luma=luma / 255,
        chroma=chroma / 255,
        luma_width=width,
        chroma_width=width + 0.5,
        floor=0.1,
        blotches=0.0,
        sharpening=0.3,
        mixing=0.5,
        phase=(0, 0),
    )

    def add_noise(clean: Tensor) -> Tensor:
        noise = camera_noise(clean[None], [camera], [generator_for(1)])[0]
        noisy = clean + reduced_noise(noise, clean, REDUCTION)
        return compress(noisy[None], [Compression(standard_tables(93))])[0]

    return add_noise


def main() -> None:
    """Prints a line for each picture and kind of noise, and the mean of each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["nsp-fast", "nsp-light"])
    models = parser.parse_args().models
    restorers = [load_weights(model) for model in models]
    print(f"{'':22} noisy         " + " ".join(f"{model[-13:]:13}" for model in models))
    noises = {f"JPEG {luma:g}": jpeg_of(luma, chroma, width) for luma, chroma, width in JPEGS}
    noises["raw"] = lambda clean: add_sensor_noise(clean[None], [RAW], [generator_for(1)])[0]
    for kind, add_noise in noises.items():
        rows = []
        for name in PICTURES:
            clean = picture(name)
            noisy = (add_noise(clean / 255) * 255).round().to(torch.uint8)
            results = [noisy, *(pipeline.denoise_tensor(restorer, noisy)[0] for restorer in restorers)]
            rows.append([(psnr(one, clean), ssim(one, clean)) for one in results])
            show(f"{kind}, {name}", rows[-1])
        means = [tuple(fmean(score) for score in zip(*one, strict=True)) for one in zip(*rows, strict=True)]
        show(f"{kind}, mean", means)


def show(name: str, scores: Sequence[tuple[float, ...]]) -> None:
    """Prints a line of PSNR / SSIM."""
    print(f"{name:22}" + " ".join(f"{scored[0]:5.2f}/{scored[1]:.4f} " for scored in scores), flush=True)


if __name__ == "__main__":
    main()
