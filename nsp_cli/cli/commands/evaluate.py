"""nsp evaluate: PSNR and SSIM over noisy and clean pictures, and the data sets of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options import common as options
from nsp_cli.cli.runs.engine import Engine
from nsp_cli.cli.runs.methods import Method, chosen_model, chosen_strength, denoising, upscaling
from nsp_cli.cli.runs.scores import show_scores

if TYPE_CHECKING:
    from nsp_cli.restoration.recovery import Strength

DATASETS = ("sidd-validation", "sidd-benchmark", "dnd")


def evaluate(
    noisy: Annotated[
        str,
        typer.Argument(
            metavar="NOISY",
            help=f"Folder of noisy photos, or one photo; or a data set: {', '.join(DATASETS)}.",
        ),
    ],
    clean: Annotated[
        Path,
        typer.Argument(
            metavar="CLEAN", help="Folder of clean ones, matched by name; of a data set, its folder."
        ),
    ],
    x2: Annotated[
        bool, typer.Option("--x2", help="Halve the noisy ones, enlarge them, compare at full size.")
    ] = False,
    mode: options.Mode = options.UpscaleMode.AUTO,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="For a data set's results; the same command goes on there.",
            show_default="DATASET_MODEL",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a data set's results of another run.")
    ] = False,
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
    """Restore photos whose clean versions are known, and score the result; or a data set of the paper.

    A data set's name comes first and its folder second. A folder of your own with such a name is ./NAME.
    """
    method = _method(chosen_strength(strength, luma, chroma, plain=plain), mode, x2=x2, plain=plain)
    is_papers = plain or mode is not options.UpscaleMode.AUTO
    model = chosen_model(model, is_blind_spot=is_papers, enlarges=x2)
    engine = Engine(model, device, precision, tile, factor=2 if x2 else None)
    if noisy in DATASETS:
        from nsp_cli.cli.runs.evaluation import DatasetRequest, evaluate_dataset

        evaluate_dataset(noisy, DatasetRequest(clean, method, engine, output, overwrite, json))
        return
    if output or overwrite:
        raise typer.BadParameter(f"--output and --overwrite are for data sets: {', '.join(DATASETS)}")
    _evaluate_pairs(Path(noisy), clean, method, engine, json=json)


def _method(strength: Strength, mode: options.UpscaleMode, *, x2: bool, plain: bool) -> Method:
    if x2:
        return upscaling(strength, mode.value, plain=plain)
    if mode is not options.UpscaleMode.AUTO:
        raise typer.BadParameter("--mode is for --x2")
    return denoising(strength, plain=plain)


def _evaluate_pairs(noisy: Path, clean: Path, method: Method, engine: Engine, *, json: bool) -> None:
    from nsp_cli.cli.runs.engine import load_restorers
    from nsp_cli.evaluation.folders import denoising_trial, enlarging_trial, find_pairs
    from nsp_cli.evaluation.folders import evaluate as score_pairs

    pairs = find_pairs(noisy, clean)
    (restorer,) = load_restorers(engine, method, share=False)
    with console.progress("Scoring") as on_progress:
        scores = score_pairs(
            pairs,
            lambda photo: method.restore(restorer, photo, None).pixels,
            enlarging_trial if method.enlarges else denoising_trial,
            on_progress=on_progress,
        )
    show_scores(scores, enlarges=method.enlarges, json=json)
