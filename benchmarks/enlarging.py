"""Compares ways to enlarge noisy photos, with the scores of `nsp evaluate NOISY CLEAN --x2`.

    python benchmarks/enlarging.py NOISY CLEAN [--every N] [--student MODEL] [--denoiser MODEL]

The input is the noisy picture halved by bicubic interpolation. The truth is the clean picture at full size.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli import load_weights
from nsp_cli.evaluation.folders import (
    Score,
    enlarge_bicubic,
    enlarging_trial,
    find_pairs,
    mean_score,
    read_pair,
    score,
)
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer


def ways(nsp: Restorer, student: Restorer, denoiser: Restorer, noisy: Tensor) -> dict[str, Tensor]:
    """Enlargements of a (3, H, W) uint8 picture, by way."""
    denoised = pipeline.denoise_tensor(denoiser, noisy)[0]
    enlarged = pipeline.upscale_tensor(student, noisy)[0]
    return {
        "bicubic, noisy": enlarge_bicubic(noisy),
        "bicubic, denoised": enlarge_bicubic(denoised),
        "NSP pd": nsp.upscale(noisy, mode="pd"),
        "NSP direct": nsp.upscale(noisy, mode="direct"),
        "NSP, noise-aware": pipeline.upscale_tensor(nsp, noisy)[0],
        "student": enlarged,
    }


def main() -> None:
    """Prints mean scores, and how well the student's result, halved again, agrees with the denoised photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--student", default="auto-upscale")
    parser.add_argument("--denoiser", default="auto")
    given = parser.parse_args()
    nsp, student = load_weights("auto-blind-spot"), load_weights(given.student)
    denoiser = load_weights(given.denoiser)
    scores: dict[str, list[Score]] = {}
    agreement = []
    for pair in find_pairs(given.noisy, given.clean)[:: given.every]:
        trial = enlarging_trial(*read_pair(*pair))
        for way, image in ways(nsp, student, denoiser, trial.given).items():
            scores.setdefault(way, []).append(score(image, trial.truth))
            if way == "student":
                again = functional.avg_pool2d(image.float(), 2).round().to(torch.uint8)
                agreement.append(psnr(again, pipeline.denoise_tensor(student, trial.given)[0]))
    for way, found in scores.items():
        mean = mean_score(found)
        print(f"{way}: {mean.psnr:.2f} / {mean.ssim:.4f}")
    print(f"student halved again against its denoised photo: {fmean(agreement):.1f} dB")


if __name__ == "__main__":
    main()
