"""Checks whether nsp removes the noise, all of it, and nothing of the picture.

    python benchmarks/residuals.py NOISY CLEAN [--model MODEL] [--every N] [--sheet SHEET.png]

Prints for each picture and the mean: the level of the residual over that of the true noise in six bands
(coarse, middle and fine, luma and chroma), and the correlation of the luma residual with the clean picture's
detail. Detail is the difference from a blurred copy. 0 is no correlation, and smoothing makes it positive.
Each row of the sheet shows a noisy picture, its result, and 4 × the residual.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nsp_cli import load_weights
from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.noise.conditioning import bands_of_residual
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.restoration import pipeline

CROP = 200


def correlation_with_detail(residual: Tensor, clean: Tensor) -> float:
    """Correlation of a (3, H, W) residual with the picture's detail, in luma."""
    grey = clean.mean(0, keepdim=True)
    detail = grey - functional.avg_pool2d(grey, 5, 1, 2, count_include_pad=False)
    return float(torch.corrcoef(torch.stack([residual.mean(0).flatten(), detail.flatten()]))[0, 1])


def cut(picture: Tensor) -> Tensor:
    """Middle of a picture, uint8."""
    top, left = ((size - CROP) // 2 for size in picture.shape[1:])
    return (picture[:, top : top + CROP, left : left + CROP] * 255).round().clamp(0, 255).to(torch.uint8)


def main() -> None:
    """Prints a line per picture and the means, and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    restorer, rows, strips = load_weights(given.model), [], []
    for paths in find_pairs(given.noisy, given.clean)[:: given.every]:
        noisy, clean = map(to_unit_range, read_pair(*paths))
        denoised = pipeline.denoise_tensor(restorer, noisy)[0]
        removed, noise = noisy - denoised, noisy - clean
        ratio = bands_of_residual(removed) / bands_of_residual(noise)
        rows.append([*ratio.tolist(), correlation_with_detail(removed, clean)])
        strips.append(torch.cat([cut(noisy), cut(denoised), cut(0.5 + 4 * removed)], 2))
        print(paths[0].name, *(f"{value:.2f}" for value in rows[-1]), flush=True)
    print("mean", *(f"{value:.2f}" for value in torch.tensor(rows).mean(0).tolist()))
    if given.sheet:
        Image.fromarray(torch.cat(strips, 1).permute(1, 2, 0).numpy()).save(given.sheet)


if __name__ == "__main__":
    main()
