"""nsp evaluate: PSNR and SSIM over noisy and clean pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsp_cli import console
from nsp_cli.commands import options

if TYPE_CHECKING:
    from nsp_cli.evaluate import PairScore


def evaluate(
    noisy: Annotated[Path, typer.Argument(metavar="NOISY", help="Folder of noisy photos, or one photo.")],
    clean: Annotated[Path, typer.Argument(metavar="CLEAN", help="Folder of clean ones, matched by name.")],
    strength: options.StrengthOf = None,
    luma: options.Luma = None,
    chroma: options.Chroma = None,
    plain: options.Plain = False,
    model: options.Model = "auto",
    tile: options.TileSide = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
) -> None:
    """Denoise photos whose clean versions are known, and score the result."""
    from nsp_cli.commands.engine import check_kind, load_restorer
    from nsp_cli.commands.methods import chosen_model, chosen_strength, denoising
    from nsp_cli.evaluate import evaluate as score_pairs
    from nsp_cli.evaluate import find_pairs

    method = denoising(chosen_strength(strength, luma, chroma, plain=plain), plain=plain)
    pairs = find_pairs(noisy, clean)
    model = chosen_model(model, is_blind_spot=plain)
    restorer = load_restorer(model, device, precision, tile)
    check_kind(restorer, model, is_blind_spot=plain)
    with console.progress("Scoring") as on_progress:
        scores = score_pairs(
            pairs, lambda photo: method.restore(restorer, photo, None).pixels, on_progress=on_progress
        )
    if json:
        console.print_json(_as_json(scores))
    else:
        _show(scores)


def _as_json(scores: list[PairScore]) -> dict[str, Any]:
    from dataclasses import asdict

    from nsp_cli.evaluate import mean_score

    return {
        "images": [asdict(score) for score in scores],
        "mean": {
            "noisy": asdict(mean_score([score.noisy for score in scores])),
            "denoised": asdict(mean_score([score.denoised for score in scores])),
        },
    }


def _show(scores: list[PairScore]) -> None:
    from nsp_cli.evaluate import PairScore, mean_score

    mean = PairScore(
        "mean",
        mean_score([score.noisy for score in scores]),
        mean_score([score.denoised for score in scores]),
    )
    rows = [
        (
            score.name,
            f"{score.noisy.psnr:.2f} / {score.noisy.ssim:.4f}",
            f"{score.denoised.psnr:.2f} / {score.denoised.ssim:.4f}",
            f"{score.denoised.psnr - score.noisy.psnr:+.2f}",
        )
        for score in ([*scores, mean] if len(scores) > 1 else scores)
    ]
    console.table("PSNR (dB) / SSIM", ("photo", "noisy", "denoised", "gain (dB)"), rows)
