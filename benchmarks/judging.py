"""Checks whether measures without clean pictures rank weights as PSNR does: prints Spearman's correlation.

    python benchmarks/judging.py NOISY CLEAN WEIGHTS.safetensors… [--every 4] [--noise FOLDER]

Use many kinds of weights: runs at several stages, fine-tuned ones, several recipes (`benchmarks/recipes.py`
leaves 24). PSNR is that of the default pipeline. Pictures with sides of more than 384 pixels are cut to their
middle. With --noise the recorrupted error takes its noise from photos of that folder, as `nsp train` does
when it adapts a student; use other photos than those of NOISY.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import fmean

from scipy.stats import spearmanr
from torch import Tensor

from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import load_pool
from nsp_cli.training.distillation.folder_noise import find_noise
from nsp_cli.training.distillation.own_noise import NoiseSource
from nsp_cli.training.judging import blind_spot_loss, recorrupted_error
from nsp_cli.weights.file import load_network

SIDE = 384


def middle(picture: Tensor) -> Tensor:
    """Middle of a large picture; a small one is returned whole."""
    top, left = (max(0, side - SIDE) // 2 for side in picture.shape[1:])
    return picture[:, top : top + SIDE, left : left + SIDE]


def noise_of(folder: Path) -> NoiseSource:
    """Noise of the photos of a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        cache = PhotoCache(Path(temporary) / "judging", root=Path(temporary))
        return find_noise(load_pool([folder], cache, crop=SIDE, seed=0).photos)


def measure(
    path: Path, pictures: list[tuple[Tensor, Tensor]], noise: NoiseSource | None
) -> tuple[float, ...]:
    """Mean PSNR, recorrupted error and, of blind-spot weights, blind-spot loss of some weights."""
    network, info = load_network(path)
    restorer = Restorer(network, info.config.spec(), Execution.choose())
    numbered = list(enumerate(pictures))
    found = (
        fmean(psnr(pipeline.denoise_tensor(restorer, noisy)[0], clean) for _, (noisy, clean) in numbered),
        fmean(recorrupted_error(restorer, noisy, seed=index, source=noise) for index, (noisy, _) in numbered),
    )
    factor = info.pd_factor
    if not restorer.spec.is_blind_spot or factor is None:
        return found
    return *found, fmean(blind_spot_loss(restorer, noisy, factor, seed=n) for n, (noisy, _) in numbered)


def main() -> None:
    """Prints a line per weights file, and the correlations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--noise", type=Path)
    given = parser.parse_args()
    pairs = [read_pair(*pair) for pair in find_pairs(given.noisy, given.clean)[:: given.every]]
    pictures = [(middle(noisy), middle(clean)) for noisy, clean in pairs]
    noise = noise_of(given.noise) if given.noise else None
    rows = []
    for path in given.weights:
        rows.append(measure(path, pictures, noise))
        print(path.stem, *(f"{value:.3f}" for value in rows[-1]), flush=True)
    true, *measures = zip(*rows, strict=True)
    for name, values in zip(("recorrupted error", "blind-spot loss"), measures, strict=False):
        correlation = spearmanr([-value for value in values], true).statistic
        print(f"{name}: rank correlation with PSNR {correlation:.3f} over {len(rows)} weights")


if __name__ == "__main__":
    main()
