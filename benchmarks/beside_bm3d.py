"""Compares nsp with BM3D at several sigmas, and at each picture's best sigma.

nsp does not depend on BM3D (`bm3d` on PyPI).

    pip install bm3d
    python benchmarks/beside_bm3d.py NOISY CLEAN --sigmas 35 50 65 80 [--every N]

BM3D takes about half a minute per sigma for 512×512 pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import bm3d
import torch
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.evaluation.metrics import psnr, ssim
from nsp_cli.restoration import pipeline


def with_bm3d(noisy: Tensor, sigma: float) -> Tensor:
    """Result of BM3D in colour mode, for noise of `sigma` 8-bit levels."""
    pixels = noisy.permute(1, 2, 0).numpy() / 255.0
    denoised = torch.from_numpy(bm3d.bm3d_rgb(pixels, sigma / 255)).permute(2, 0, 1)
    return (denoised * 255).round().clamp(0, 255).to(torch.uint8)


def score(image: Tensor, clean: Tensor) -> tuple[float, float]:
    """PSNR and SSIM."""
    return psnr(image, clean), ssim(image, clean)


def main() -> None:
    """Prints a line per picture, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--sigmas", type=float, nargs="+", required=True)
    parser.add_argument("--every", type=int, default=5)
    arguments = parser.parse_args()
    restorer, rows = load_weights(), []
    for pair in find_pairs(arguments.noisy, arguments.clean)[:: arguments.every]:
        noisy, clean = read_pair(*pair)
        ours = score(pipeline.denoise_tensor(restorer, noisy)[0], clean)
        rows.append(
            [score(noisy, clean), ours, *(score(with_bm3d(noisy, s), clean) for s in arguments.sigmas)]
        )
        print(pair[0].name, *(f"{psnr:.2f}/{ssim:.4f}" for psnr, ssim in rows[-1]), flush=True)
    columns = list(zip(*rows, strict=True))
    best = [max(row[2:]) for row in rows]
    names = ["noisy", "nsp", *(f"bm3d, sigma {sigma:g}" for sigma in arguments.sigmas), "bm3d, each best"]
    for name, column in zip(names, [*columns, best], strict=True):
        print(f"{name}: {fmean(p for p, _ in column):.2f} / {fmean(s for _, s in column):.4f}")


if __name__ == "__main__":
    main()
