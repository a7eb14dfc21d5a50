"""The table and JSON of scores that nsp evaluate prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nsp_cli.cli import console

if TYPE_CHECKING:
    from nsp_cli.evaluation.folders import PairScore


def show_scores(scores: Sequence[PairScore], *, enlarges: bool, json: bool, only_mean: bool = False) -> None:
    """Prints scores and their mean.

    Args:
        scores: Scores of at least one picture.
        enlarges: True if the pictures were enlarged; they are compared with bicubic interpolation.
        json: Print JSON, always with every picture.
        only_mean: Print no row per picture, only the mean.
    """
    if json:
        console.print_json(_as_json(scores))
        return
    mean = [_mean(scores)] if len(scores) > 1 else []
    shown = mean if only_mean and mean else [*scores, *mean]
    before, after = ("bicubic", "enlarged") if enlarges else ("noisy", "denoised")
    console.table("PSNR (dB) / SSIM", ("photo", before, after, "gain (dB)"), [_row(score) for score in shown])


def _row(score: PairScore) -> tuple[str, ...]:
    return (
        score.name,
        f"{score.noisy.psnr:.2f} / {score.noisy.ssim:.4f}",
        f"{score.denoised.psnr:.2f} / {score.denoised.ssim:.4f}",
        f"{score.denoised.psnr - score.noisy.psnr:+.2f}",
    )


def _mean(scores: Sequence[PairScore]) -> PairScore:
    from nsp_cli.evaluation.folders import PairScore, mean_score

    noisy = mean_score([score.noisy for score in scores])
    denoised = mean_score([score.denoised for score in scores])
    return PairScore("mean" if len(scores) < 100 else f"mean of {len(scores):,}", noisy, denoised)


def _as_json(scores: Sequence[PairScore]) -> dict[str, Any]:
    from dataclasses import asdict

    mean = asdict(_mean(scores))
    return {
        "images": [asdict(score) for score in scores],
        "mean": {"noisy": mean["noisy"], "denoised": mean["denoised"]},
    }
