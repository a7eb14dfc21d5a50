"""Adapts nsp-raw to simulated RAW files of two kinds, and prints what that gains on other files of a kind.

    python benchmarks/adapting_raw.py PHOTOS OUT_FOLDER [--minutes 10 | --steps 300] [--kinds plain soft]

PHOTOS holds sharp photos without noise; of those that `train_raw.py` holds out, every other one is for
scoring, and `nsp train` sees the others as RAW files with noise: 4,000, 1,000 and 250 electrons at white.
The kinds: plain, as `simulated_raw.py` takes photos; soft, behind a lens that blurs by 1.8 pixels, such as a
microscope's. Prints PSNR and squared error of developed pictures before and after, and what nsp train said.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from simulated_raw import BLACK, SENSORS, WHITE, exposed, sensor_light, write_file
from torch import Tensor
from train_raw import is_held_out

from nsp_cli import load_weights
from nsp_cli.photo import SensorPicture, developed, read_photo
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.mosaic_denoising import denoise_mosaic
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.blur import gaussian_blurred
from nsp_cli.weights.file import describe_weights

SIDE, EVERY, REACH = 1280, 2, 6
BLURS = {"plain": 0.0, "soft": 1.7}


def make_files(photos: Path, out: Path, blur: float) -> list[tuple[Path, Tensor]]:
    """Writes RAW files to train on and to score on into `out`; returns the latter with the truth."""
    scored = []
    paths = sorted(path for path in photos.iterdir() if is_held_out(path))
    for folder in ("train", "score"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        light = sensor_light(path, SIDE)
        if blur:
            [light] = gaussian_blurred(light[None], [blur], REACH)
        electrons, read = list(SENSORS.values())[number % len(SENSORS)]
        is_scored = number % EVERY == EVERY - 1
        file = out / ("score" if is_scored else "train") / f"{path.stem}.dng"
        write_file(file, exposed(light, electrons, read, generator_for(number)), BLACK, WHITE)
        if is_scored:
            scored.append((file, light))
    return scored


def error(restorer: Restorer, file: Path, light: Tensor) -> float:
    """Mean squared error of a developed picture, in levels²."""
    mosaic = read_photo(file, keep_mosaic=True).mosaic
    assert mosaic is not None
    result = denoise_mosaic(restorer, mosaic).picture
    truth = SensorPicture((light.permute(1, 2, 0).numpy() * 65535).round().astype(np.uint16), mosaic.colours)
    difference = developed(result).astype(float) - developed(truth)
    return float(np.mean((difference / 257) ** 2))


def main() -> None:
    """Prints a row for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--kinds", nargs="+", choices=BLURS, default=list(BLURS))
    given = parser.parse_args()
    length = ["--steps", given.steps] if given.steps else ["--minutes", given.minutes or 10]
    torch.set_num_threads(1)
    for kind in given.kinds:
        folder = given.out / kind
        scored, weights = make_files(given.photos, folder, BLURS[kind]), folder / "adapted.safetensors"
        command = [sys.executable, "-m", "nsp_cli", "train", folder / "train", "-o", weights, "--overwrite"]
        subprocess.run([*map(str, command), *map(str, length)], check=True)
        before, after = (
            [error(load_weights(name), *one) for one in scored] for name in ("nsp-raw", str(weights))
        )
        for (file, _), own in zip(scored, zip(before, after, strict=True), strict=True):
            print(f"{kind:6} {file.stem:20} {own[0]:7.2f} → {own[1]:7.2f} levels²", flush=True)
        psnrs = [fmean(10 * np.log10(255**2 / np.array(one))) for one in (before, after)]
        verdict = describe_weights(weights).metadata["recommended"]
        change = fmean(after) / fmean(before) - 1
        print(f"{kind:6} {psnrs[0]:.2f} → {psnrs[1]:.2f} dB, error {change:+.1%}, {verdict}", flush=True)


if __name__ == "__main__":
    main()
