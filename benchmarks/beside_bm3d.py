"""nsp beside BM3D (PyPI `bm3d`, no dependency of nsp) with each picture's best of several sigmas.

    pip install bm3d
    python benchmarks/beside_bm3d.py NOISY CLEAN --sigmas 35 50 65 80 [--every N]

BM3D takes about half a minute for 512×512 pixels and sigma.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import bm3d
import torch
from torch import Tensor

from nsp_cli import load_weights, noise_aware
from nsp_cli.evaluate import find_pairs
from nsp_cli.metrics import psnr, ssim
from nsp_cli.photo import read_photo, to_bit_depth
from nsp_cli.restore import pixels_to_tensor


def read(path: Path) -> Tensor:
    """Returns (3, H, W) uint8."""
    return pixels_to_tensor(to_bit_depth(read_photo(path), 8).pixels)


def with_bm3d(noisy: Tensor, sigma: float) -> Tensor:
    """Returns BM3D's result for noise of `sigma` 8-bit levels, colour mode."""
    pixels = noisy.permute(1, 2, 0).numpy() / 255.0
    denoised = torch.from_numpy(bm3d.bm3d_rgb(pixels, sigma / 255)).permute(2, 0, 1)
    return (denoised * 255).round().clamp(0, 255).to(torch.uint8)


def score(image: Tensor, clean: Tensor) -> tuple[float, float]:
    """Returns PSNR and SSIM."""
    return psnr(image, clean), ssim(image, clean)


def main() -> None:
    """Prints a line per picture and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--sigmas", type=float, nargs="+", required=True)
    parser.add_argument("--every", type=int, default=5)
    arguments = parser.parse_args()
    restorer = load_weights()
    rows = []
    for noisy_path, clean_path in find_pairs(arguments.noisy, arguments.clean)[:: arguments.every]:
        noisy, clean = read(noisy_path), read(clean_path)
        ours = score(noise_aware.denoise(restorer, noisy)[0], clean)
        theirs = max(score(with_bm3d(noisy, sigma), clean) for sigma in arguments.sigmas)
        rows.append((*score(noisy, clean), *ours, *theirs))
        print(noisy_path.name, *(f"{value:.4f}" for value in rows[-1]), flush=True)
    print("mean noisy, nsp, bm3d:", *(f"{fmean(column):.4f}" for column in zip(*rows, strict=True)))


if __name__ == "__main__":
    main()
