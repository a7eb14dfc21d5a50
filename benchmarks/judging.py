"""Checks whether measures without clean pictures rank weights as PSNR does: prints Spearman's correlation.

    python benchmarks/judging.py NOISY CLEAN WEIGHTS.safetensors… [--every 4]

Use many kinds of weights: runs at several stages, fine-tuned ones, several recipes (`benchmarks/recipes.py`
leaves 24). PSNR is that of the default pipeline. Pictures with sides of more than 384 pixels are cut to their
middle.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from scipy.stats import spearmanr
from torch import Tensor

from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Execution, Restorer
from nsp_cli.training.judging import blind_spot_loss, recorrupted_error
from nsp_cli.weights.file import load_network

SIDE = 384


def middle(picture: Tensor) -> Tensor:
    """Middle of a large picture; a small one is returned whole."""
    top, left = (max(0, side - SIDE) // 2 for side in picture.shape[1:])
    return picture[:, top : top + SIDE, left : left + SIDE]


def measure(path: Path, pictures: list[tuple[Tensor, Tensor]]) -> tuple[float, float, float]:
    """Mean PSNR, recorrupted error and blind-spot loss of some weights."""
    network, info = load_network(path)
    restorer = Restorer(network, info.config.spec(), Execution.choose())
    numbered = list(enumerate(pictures))
    return (
        fmean(psnr(pipeline.denoise_tensor(restorer, noisy)[0], clean) for _, (noisy, clean) in numbered),
        fmean(recorrupted_error(restorer, noisy, seed=index) for index, (noisy, _) in numbered),
        fmean(blind_spot_loss(restorer, noisy, info.pd_factor, seed=index) for index, (noisy, _) in numbered),
    )


def main() -> None:
    """Prints a line per weights file, and the correlations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=4)
    given = parser.parse_args()
    pairs = [read_pair(*pair) for pair in find_pairs(given.noisy, given.clean)[:: given.every]]
    pictures = [(middle(noisy), middle(clean)) for noisy, clean in pairs]
    rows = []
    for path in given.weights:
        rows.append(measure(path, pictures))
        print(path.stem, *(f"{value:.3f}" for value in rows[-1]), flush=True)
    true, errors, losses = zip(*rows, strict=True)
    for name, values in (("recorrupted error", errors), ("blind-spot loss", losses)):
        correlation = spearmanr([-value for value in values], true).statistic
        print(f"{name}: rank correlation with PSNR {correlation:.3f} over {len(rows)} weights")


if __name__ == "__main__":
    main()
