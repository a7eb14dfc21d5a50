"""nsp evaluate: PSNR and SSIM over noisy and clean pictures, and the data sets of the paper."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options
from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.groups import MachineOptions, NoiseOptions
from nsp_cli.cli.options.panels import RESULT, flag
from nsp_cli.cli.workflows.operations import denoising, upscaling
from nsp_cli.cli.workflows.scores import show_scores
from nsp_cli.errors import InputError, PhotosFailedError

if TYPE_CHECKING:
    from nsp_cli.cli.workflows.operations import Operation

DATASETS = ("sidd-validation", "sidd-benchmark", "dnd")


@grouped
def evaluate(
    *,
    noisy: Annotated[
        str,
        typer.Argument(
            metavar="NOISY",
            help=f"Folder of noisy photos, one noisy photo, or a data set: {', '.join(DATASETS)}.",
        ),
    ],
    clean: Annotated[
        Path,
        typer.Argument(
            metavar="CLEAN",
            help="Folder of clean photos with the same names, one clean photo, or the data set's folder.",
        ),
    ],
    noise: NoiseOptions,
    x2: Annotated[
        bool, flag("--x2", help="Halve the noisy photos, enlarge them, and compare at full size.")
    ] = False,
    mode: options.UpscaleMode = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for the results of a data set. The same command continues an interrupted run.",
            show_default="DATASET_MODEL",
            rich_help_panel=RESULT,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        flag("--overwrite", help="Replace the results of another run on a data set.", panel=RESULT),
    ] = False,
    json: options.Json = False,
    cluster: options.Cluster = None,
    machine: MachineOptions,
) -> None:
    """Denoise photos whose clean versions are known, and score the results.

    For a data set of the paper, give its name first and its folder second.
    If a folder of your own has the name of a data set, write ./NAME.
    """
    operation = _operation(noise, mode, x2=x2)
    if noisy in DATASETS:
        if cluster is not None:
            raise typer.BadParameter("--cluster is for folders of photos, not for data sets.")
        from nsp_cli.cli.workflows.datasets import DatasetRequest, evaluate_dataset

        evaluate_dataset(noisy, DatasetRequest(clean, operation, machine, output, overwrite, json))
        return
    if output or overwrite:
        raise typer.BadParameter(f"--output and --overwrite are only for data sets: {', '.join(DATASETS)}.")
    _evaluate_pairs(Path(noisy), clean, operation, machine, cluster, json=json)


def _operation(noise: NoiseOptions, mode: Literal["auto", "direct", "pd"], *, x2: bool) -> Operation:
    if x2:
        return upscaling(noise, mode, x2=True)
    if mode != "auto":
        raise typer.BadParameter("--mode is only for --x2.")
    return denoising(noise)


def _evaluate_pairs(
    noisy: Path,
    clean: Path,
    operation: Operation,
    machine: MachineOptions,
    cluster: str | None,
    *,
    json: bool,
) -> None:
    from nsp_cli.batch import located
    from nsp_cli.cli.workflows.pairs import score_pairs
    from nsp_cli.evaluation.folders import find_pairs

    pairs = find_pairs(located(noisy), located(clean))
    scores = {}
    results = score_pairs(pairs, operation, machine, cluster)
    with closing(results), progress_bars.progress("Scoring") as on_progress:
        for done, (index, result) in enumerate(results, 1):
            if not isinstance(result, InputError):
                scores[index] = result
            elif len(pairs) == 1:
                raise result
            else:
                console.show_error(result)
            on_progress(done, len(pairs))
    if scores:
        in_order = [scores[index] for index in sorted(scores)]
        show_scores(in_order, enlarges=operation.enlarges, json=json)
    if len(scores) < len(pairs):
        raise PhotosFailedError(
            f"{len(pairs) - len(scores)} of {len(pairs)} pairs failed. The scores cover the others."
        )
