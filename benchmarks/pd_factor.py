"""Finds the PD factor s that suits a kind of noise: trains light networks on simulated noise and scores them.

    python benchmarks/pd_factor.py PHOTOS_FOLDER [--steps 1000]

Photos are halved, which leaves them nearly clean. Gaussian noise of 12 levels and several correlation widths
is added. Every fifth photo is held out. Crops have 96·s pixels a side, so that every s costs the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from nsp_cli.batch import walk_photos
from nsp_cli.errors import InputError
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.ops.pixels import pixels_to_tensor
from nsp_cli.photo import Photo, Pixels, read_photo, write_photo
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, load_pool
from nsp_cli.training.run.loop import run
from nsp_cli.training.run.recipe import BlindSpotRecipe, Budget
from nsp_cli.training.run.trainer import Trainer

FACTORS, WIDTHS, LEVEL = (3, 4, 5), (0.0, 0.6, 1.2), 12


def halved(folder: Path) -> Iterator[Pixels]:
    """Yields 8-bit photos averaged over 2×2 pixels, if they are large enough for a crop of every s."""
    for path in sorted(found.path for found in walk_photos(folder, recursive=True)):
        try:
            pixels = read_photo(path).pixels
        except InputError:
            continue
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        if min(height, width) >= 96 * max(FACTORS) and pixels.dtype == np.uint8:
            quads = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
            yield np.rint(quads.mean((1, 3))).astype(np.uint8)


def with_noise(clean: Pixels, width: float, rng: np.random.Generator) -> Pixels:
    """Adds noise that is correlated over `width` pixels."""
    noise = gaussian_filter(rng.standard_normal(clean.shape), (width, width, 0), mode="wrap")
    noisy: Pixels = np.clip(np.rint(clean + noise * LEVEL / noise.std()), 0, 255).astype(np.uint8)
    return noisy


def pool_of(photos: list[Pixels], folder: Path) -> PhotoPool:
    """Writes photos for the trainer to read."""
    for index, photo in enumerate(photos):
        write_photo(Photo(photo, format="png"), folder / f"{index}.png")
    return load_pool([folder], PhotoCache(folder, root=folder / "cache"), crop=96 * max(FACTORS), seed=0)


def train(pool: PhotoPool, factor: int, steps: int) -> Restorer:
    """Light network trained on these photos alone."""
    recipe = replace(BlindSpotRecipe(), pd_factor=factor, crop=96 * factor, simulated=0.0)
    config, cpu = DbsnConfig(32, 9), torch.device("cpu")
    task = BlindSpotTask(pool, recipe, config.spec())
    trainer = Trainer(task, network_name="dbsn", config=config, seed=0, device=cpu)
    run(trainer, Budget(steps))
    return Restorer(trainer.averaged_network(), config.spec(), Execution.choose("cpu"))


def mean_psnr(restorer: Restorer, pairs: list[tuple[Tensor, Tensor]], mode: str) -> float:
    """Mean PSNR of the network's prediction alone."""
    return fmean(psnr(restorer.denoise(noisy, mode=mode), clean) for noisy, clean in pairs)  # type: ignore[arg-type]


def main() -> None:
    """Prints a line per width and factor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    clean = list(halved(arguments.folder))
    for width in WIDTHS:
        rng = np.random.default_rng(1)
        noisy = [with_noise(photo, width, rng) for photo in clean]
        held_out = [
            (pixels_to_tensor(a), pixels_to_tensor(b)) for a, b in zip(noisy[::5], clean[::5], strict=True)
        ]
        training = [photo for index, photo in enumerate(noisy) if index % 5]
        with TemporaryDirectory() as folder:
            pool = pool_of(training, Path(folder))
            for factor in FACTORS:
                restorer = train(pool, factor, arguments.steps)
                averages = (mean_psnr(restorer, held_out, mode) for mode in ("pd", "direct"))
                print(width, factor, *(f"{value:.2f}" for value in averages), flush=True)


if __name__ == "__main__":
    main()
