"""Ways to enlarge noisy photos twofold, scored as in the paper's Table 2.

    python benchmarks/enlarging.py NOISY CLEAN [--every N] [--student MODEL] [--denoiser MODEL]

Input is the noisy picture halved by bicubic interpolation, truth the clean one at its full size.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli import load_weights, noise_aware
from nsp_cli.evaluate import find_pairs, read_pair
from nsp_cli.metrics import psnr, ssim
from nsp_cli.pixels import from_unit_range, to_unit_range
from nsp_cli.restore import Restorer
from nsp_cli.training.halving import halve


def bicubic(image: Tensor) -> Tensor:
    """Enlarges twofold."""
    enlarged = functional.interpolate(to_unit_range(image)[None], scale_factor=2, mode="bicubic")[0]
    return from_unit_range(enlarged, torch.uint8)


def ways(nsp: Restorer, student: Restorer, denoiser: Restorer, noisy: Tensor) -> dict[str, Tensor]:
    """Returns each way's enlargement of (3, H, W) uint8."""
    denoised = noise_aware.denoise(denoiser, noisy)[0]
    enlarged = noise_aware.upscale(student, noisy)[0]
    return {
        "bicubic, noisy": bicubic(noisy),
        "bicubic, denoised": bicubic(denoised),
        "NSP pd": nsp.upscale(noisy, mode="pd"),
        "NSP direct": nsp.upscale(noisy, mode="direct"),
        "NSP, noise-aware": noise_aware.upscale(nsp, noisy)[0],
        "student": enlarged,
    }


def main() -> None:
    """Prints the means, and how well the student's result halved again agrees with the denoised photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--student", default="auto-upscale")
    parser.add_argument("--denoiser", default="auto")
    given = parser.parse_args()
    nsp, student = load_weights("auto-blind-spot"), load_weights(given.student)
    denoiser = load_weights(given.denoiser)
    scores: dict[str, list[tuple[float, float]]] = {}
    agreement = []
    for noisy_path, clean_path in find_pairs(given.noisy, given.clean)[:: given.every]:
        noisy, clean = read_pair(noisy_path, clean_path)
        clean = clean[:, : clean.shape[1] // 2 * 2, : clean.shape[2] // 2 * 2]
        half = from_unit_range(
            halve(to_unit_range(noisy)[:, : clean.shape[1], : clean.shape[2]], "bicubic"), torch.uint8
        )
        for way, image in ways(nsp, student, denoiser, half).items():
            scores.setdefault(way, []).append((psnr(image, clean), ssim(image, clean)))
            if way == "student":
                again = functional.avg_pool2d(image.float(), 2).round().to(torch.uint8)
                agreement.append(psnr(again, noise_aware.denoise(student, half)[0]))
    for way, found in scores.items():
        print(f"{way}: {fmean(p for p, _ in found):.2f} / {fmean(s for _, s in found):.4f}")
    print(f"student halved again against its denoised photo: {fmean(agreement):.1f} dB")


if __name__ == "__main__":
    main()
