"""nsp evaluate on the data sets of the paper: scores, or files for their servers to score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nsp_cli import __version__
from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options.groups import MachineOptions
from nsp_cli.cli.workflows.loading import load_restorers
from nsp_cli.cli.workflows.operations import Operation
from nsp_cli.cli.workflows.scores import show_scores
from nsp_cli.device import describe_precision
from nsp_cli.evaluation import datasets
from nsp_cli.evaluation.datasets.sidd import SCORE_COLUMNS, SUBMISSION_COLUMNS
from nsp_cli.evaluation.folders import denoising_trial, enlarging_trial
from nsp_cli.files import file_sha256
from nsp_cli.ops.progress import OnProgress

if TYPE_CHECKING:
    from torch import Tensor

    from nsp_cli.restoration.inference import Restorer


@dataclass(frozen=True)
class DatasetRequest:
    """What to do with a data set.

    Attributes:
        data: Folder of the data set.
        operation: What to do to its pictures, and with which weights.
        machine: Where to compute.
        output: Folder for results; None names one after the data set and the weights.
        overwrite: Replace another run's results in that folder.
        json: Print JSON.
    """

    data: Path
    operation: Operation
    machine: MachineOptions
    output: Path | None
    overwrite: bool
    json: bool


def evaluate_dataset(name: str, request: DatasetRequest) -> None:
    """Scores SIDD's validation blocks, or writes a submission for the server of SIDD's benchmark or DND.

    Raises:
        typer.BadParameter: An enlargement of a data set whose clean pictures are not public.
        NspError: Files are missing or damaged, or as for `results_in`.
    """
    if request.operation.enlarges and name != "sidd-validation":
        raise typer.BadParameter(f"--x2 needs clean pictures, and those of {name} are not public.")
    {"sidd-validation": _validate, "sidd-benchmark": _submit_sidd, "dnd": _submit_dnd}[name](request)


def _validate(request: DatasetRequest) -> None:
    noisy, clean = (
        datasets.read_blocks(request.data, f"Validation{kind}BlocksSrgb") for kind in ("Noisy", "Gt")
    )
    _note_size("sidd-validation", noisy.is_official)
    data = {file.path.name: file_sha256(file.path) for file in (noisy, clean)}
    with _running(request, "sidd-validation", data) as run, _progress("Scoring", "blocks") as on_progress:
        scores = datasets.score_blocks(
            noisy,
            clean,
            run.restore,
            enlarging_trial if request.operation.enlarges else denoising_trial,
            datasets.Rows(run.folder / "scores.csv", SCORE_COLUMNS),
            on_progress=on_progress,
        )
    console.say(f"Scores of every block: {run.folder / 'scores.csv'}")
    show_scores(scores, enlarges=request.operation.enlarges, json=request.json, only_mean=True)


def _submit_sidd(request: DatasetRequest) -> None:
    noisy = datasets.read_blocks(request.data, "BenchmarkNoisyBlocksSrgb")
    _note_size("sidd-benchmark", noisy.is_official)
    data = {noisy.path.name: file_sha256(noisy.path)}
    with _running(request, "sidd-benchmark", data) as run, _progress("Denoising", "blocks") as on_progress:
        table = datasets.submit_blocks(
            noisy,
            run.restore,
            datasets.Rows(run.folder / "SubmitSrgb.csv", SUBMISSION_COLUMNS),
            on_progress=on_progress,
        )
    _show_submission("sidd-benchmark", len(noisy), table, json=request.json)


def _submit_dnd(request: DatasetRequest) -> None:
    images = datasets.read_dnd(request.data)
    _note_size("dnd", images.is_official)
    # Hashing fifty large images would take minutes. Their sizes identify the version well enough.
    paths = [images.path(number) for number in range(len(images.boxes))]
    sizes: dict[str, object] = {path.name: path.stat().st_size for path in paths}
    data = sizes | {"info.mat": file_sha256(request.data / "info.mat")}
    with _running(request, "dnd", data) as run, _progress("Denoising", "crops") as on_progress:
        bundled = datasets.submit_crops(images, run.restore, run.folder, on_progress=on_progress)
    _show_submission("dnd", len(images), bundled, json=request.json)


def _note_size(name: str, is_official: bool) -> None:
    if not is_official:
        console.warn(
            f"The pictures are fewer or smaller than those of {name}. "
            "Do not compare their scores with published ones."
        )


@dataclass(frozen=True)
class _Run:
    folder: Path
    restorer: Restorer
    operation: Operation

    def restore(self, noisy: Tensor) -> Tensor:
        return self.operation.process(self.restorer, noisy, None).pixels


@contextmanager
def _running(request: DatasetRequest, name: str, data: Mapping[str, object]) -> Iterator[_Run]:
    """Loads the network and locks the folder for results for this process until it ends."""
    (restorer,) = load_restorers(request.operation, request.machine, share=False)
    weights = restorer.weights
    assert weights is not None
    folder = request.output or Path(f"{name}_{weights.name}")
    identity: dict[str, Any] = {
        "data set": name,
        "data": dict(data),
        "model": weights.name,
        "weights": weights.sha256,
        "settings": dict(request.operation.settings),
        "precision": describe_precision(restorer.execution.precision),
        "nsp": __version__,
    }
    with datasets.results_in(folder, identity, overwrite=request.overwrite):
        yield _Run(folder, restorer, request.operation)


@contextmanager
def _progress(description: str, things: str) -> Iterator[OnProgress]:
    """Shows a progress bar with the time left; in a log, one line per minute."""
    with progress_bars.live_progress(description) as show:
        yield lambda done, total: show(done / total, f"{done} of {total} {things}")


def _show_submission(name: str, count: int, path: Path, *, json: bool) -> None:
    if json:
        console.print_json({"dataset": name, "count": count, "submission": str(path)})
    else:
        console.out.print(str(path))
