"""Adapts nsp to four odd noises, and prints what that gains on other photos with the same noise.

    python benchmarks/adapting.py CLEAN_FOLDER OUT_FOLDER [--minutes 30] [--kinds grain banding blotches mono]

CLEAN_FOLDER holds at least 28 clean photos of 1,024 pixels or more a side. Of the first 28, every fourth is
for scoring; `nsp train` sees the other 21 with noise, and no clean photo. The noises: film grain (luma only,
2 to 3 pixels wide), bands along rows and columns with white noise, blotches of colour 4 to 8 pixels wide, and
the strong noise of a monochrome sensor. OUT_FOLDER keeps photos, weights and pages.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from nsp_cli import load_weights
from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.evaluation.metrics import psnr, ssim
from nsp_cli.restoration.pipeline import denoise_tensor
from nsp_cli.weights.file import describe_weights

Pixels = NDArray[Any]
SIDE, PHOTOS, EVERY = 1024, 28, 4
LUMA = np.array([0.299, 0.587, 0.114])


def of_level(noise: Pixels, level: float) -> Pixels:
    scaled: Pixels = level * noise / noise.std()
    return scaled


def grain(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Grain that is strongest in middle tones."""
    white = random.standard_normal((*photo.shape[:2], 1))
    light = photo.mean(2, keepdims=True) / 255
    noise: Pixels = of_level(ndimage.gaussian_filter(white, (1, 1, 0)), 14) * (0.5 + 2 * light * (1 - light))
    return noise


def banding(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Bands along rows and, weaker, columns, with white noise."""
    height, width, _ = photo.shape
    rows, columns = random.standard_normal((height, 1, 1)), random.standard_normal((1, width, 1))
    noise: Pixels = 5 * rows + 3 * columns + 5 * random.standard_normal(photo.shape)
    return noise


def blotches(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Wide blotches of colour with a little white luma noise."""
    wide = ndimage.gaussian_filter(random.standard_normal(photo.shape), (2.5, 2.5, 0))
    colour = wide - wide.mean(2, keepdims=True)
    return of_level(colour, 12) + 3 * random.standard_normal((*photo.shape[:2], 1))


def mono(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Shot and read noise of a sensor without colours."""
    light = photo.mean(2, keepdims=True)
    noise: Pixels = random.standard_normal(light.shape) * np.sqrt(2.2 * light + 40)
    return noise


KINDS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "grain": grain,
    "banding": banding,
    "blotches": blotches,
    "mono": mono,
}


def read_middle(path: Path, *, is_grey: bool) -> Pixels:
    """Middle of a photo, in black and white if wanted."""
    with Image.open(path) as image:
        left, top = ((side - SIDE) // 2 for side in image.size)
        pixels = np.asarray(image.convert("RGB").crop((left, top, left + SIDE, top + SIDE)), float)
    return np.repeat((pixels @ LUMA).round()[..., None], 3, axis=2) if is_grey else pixels


def make_photos(clean: Path, folder: Path, kind: str) -> None:
    """Writes folder/train, and folder/noisy and folder/clean for scoring."""
    for name in ("train", "noisy", "clean"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    random, done = np.random.default_rng(7), 0
    for path in sorted(clean.iterdir()):
        with Image.open(path) as image:
            is_small = min(image.size) < SIDE
        if is_small or done == PHOTOS:
            continue
        photo = read_middle(path, is_grey=kind == "mono")
        noisy = (photo + KINDS[kind](photo, random)).round().clip(0, 255)
        is_scored, done = done % EVERY == EVERY - 1, done + 1
        save(noisy, folder / ("noisy" if is_scored else "train") / f"{path.stem}.png")
        if is_scored:
            save(photo, folder / "clean" / f"{path.stem}.png")


def save(pixels: Pixels, path: Path) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def scores(model: str, folder: Path) -> tuple[float, float, float]:
    """Mean PSNR, SSIM and squared error of the default pipeline."""
    restorer = load_weights(model)
    pairs = [read_pair(*pair) for pair in find_pairs(folder / "noisy", folder / "clean")]
    results = [(denoise_tensor(restorer, noisy)[0], clean) for noisy, clean in pairs]
    return (
        fmean(psnr(*pair) for pair in results),
        fmean(ssim(*pair) for pair in results),
        fmean(float((result.float() - clean.float()).square().mean()) for result, clean in results),
    )


def main() -> None:
    """Prints a row for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clean", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    print(f"{'noise':10s}{'nsp-fast':>16s}{'adapted':>16s}  error  verdict", flush=True)
    for kind in given.kinds:
        folder = given.out / kind
        make_photos(given.clean, folder, kind)
        weights = folder / "adapted.safetensors"
        command = [sys.executable, "-m", "nsp_cli", "train", folder / "train", "-o", weights, "--overwrite"]
        subprocess.run([*map(str, command), "--minutes", str(given.minutes)], check=True)
        before, after = scores("nsp-fast", folder), scores(str(weights), folder)
        texts = [f"{one[0]:.2f} / {one[1]:.4f}" for one in (before, after)]
        verdict = describe_weights(weights).metadata["recommended"]
        print(
            f"{kind:10s}{texts[0]:>16s}{texts[1]:>16s}  {after[2] / before[2] - 1:+.0%}  {verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()
