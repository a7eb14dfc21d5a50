"""What denoise and upscale have in common: go through the photos, show progress, sum up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nsp_cli import console
from nsp_cli.commands.methods import RestoreWith
from nsp_cli.commands.options import FileFormat
from nsp_cli.errors import NspError, PhotosFailedError, WeightsError

if TYPE_CHECKING:
    from nsp_cli.batch import Job, Report, WriteOptions
    from nsp_cli.photo import RawOptions
    from nsp_cli.restore import Restorer


def restore_photos(
    photos: Sequence[Path],
    *,
    restore: RestoreWith,
    enlarges: bool = False,
    factor: int | None = None,
    is_blind_spot: bool = False,
    ending: str,
    output: Path | None,
    file_format: FileFormat | None,
    model: str,
    device: str,
    precision: str,
    tile: int | None,
    options: WriteOptions,
    raw: RawOptions,
    max_megapixels: float,
    open_result: bool,
) -> None:
    """Restores photos one after another; one that fails does not stop the others.

    Args:
        photos: The inputs.
        restore: What the network does to a photo's pixels.
        enlarges: The result is larger by the weights' factor.
        factor: Refuse weights with another factor.
        is_blind_spot: Refuse students, for what only the paper's networks can.
        ending: Of results beside their photos.
        output: File or folder; None is beside the photo.
        file_format: Of the results; None keeps the photo's.
        model: Weights by name, path or address.
        device: By name.
        precision: By name.
        tile: Side of a tile's core; None chooses.
        options: How results are written.
        raw: How camera RAW is developed.
        max_megapixels: Larger photos are refused.
        open_result: Show every result in the system's viewer.

    Raises:
        NspError: Nothing could be started, or the only photo failed.
        PhotosFailedError: Some of several photos failed.
    """
    from nsp_cli.batch import plan_jobs, run_job

    jobs = plan_jobs(photos, output=output, ending=ending, file_format=file_format and file_format.value)
    restorer = load_restorer(model, device=device, precision=precision, tile=tile)
    if restorer.metadata.get("recommended") == "no":
        console.warn(f"{model}: nsp train did not find these weights better than the stock ones.")
    if enlarges and restorer.spec.scale == 1:
        raise WeightsError(
            f"{model}: this network does not enlarge.", "Leave out --model, or see nsp weights list."
        )
    if factor not in (None, restorer.spec.scale):
        raise WeightsError(
            f"{model}: these weights enlarge {restorer.spec.scale}-fold, not {factor}-fold.",
            "Leave out --x2.",
        )
    check_kind(restorer, model, is_blind_spot=is_blind_spot)
    work = partial(
        run_job,
        restore=partial(restore, restorer),
        scale=restorer.spec.scale if enlarges else 1,
        options=options,
        raw=raw,
        max_megapixels=max_megapixels,
    )
    _run_all(jobs, work, restorer, open_result=open_result)


def check_kind(restorer: Restorer, model: str, *, is_blind_spot: bool) -> None:
    """Passes if the network can do what is asked for.

    Raises:
        WeightsError: It is a student, and the paper's way was asked for.
    """
    if is_blind_spot and restorer.spec.is_told_noise:
        raise WeightsError(
            f"{model}: a student, not a blind-spot network; the paper's passes are not for it.",
            "Leave out --model, or give --model nsp-light.",
        )


def load_restorer(model: str, *, device: str, precision: str, tile: int | None) -> Restorer:
    """Loads weights as `nsp_cli.load_weights` does, showing a download's progress, or what was chosen."""
    from nsp_cli.api import load_weights
    from nsp_cli.manifest import AUTOMATIC, load_manifest

    if model in AUTOMATIC:
        chosen = load_manifest().find(model)
        console.say(f"Model {chosen.name}: {chosen.summary}")
    with console.download_progress(f"Fetching {model}") as on_download:
        return load_weights(model, device=device, precision=precision, tile=tile, on_download=on_download)


def _run_all(
    jobs: Sequence[Job], work: Callable[..., Report], restorer: Restorer, *, open_result: bool
) -> None:
    failures = 0
    with console.progress_over(len(jobs)) as begin:
        for index, job in enumerate(jobs):
            try:
                report = work(job, on_progress=begin(index, job.source.name))
            except NspError as error:
                if len(jobs) == 1:
                    raise
                console.show_error(error)
                failures += 1
                continue
            _show_report(report, restorer)
            if open_result and typer.launch(str(report.job.target)) != 0:
                console.warn(f"no viewer could be started; open {report.job.target} yourself.")
    if failures:
        raise PhotosFailedError(f"{failures} of {len(jobs)} photos failed; the others are done.")


def _show_report(report: Report, restorer: Restorer) -> None:
    from nsp_cli.device import describe_device, describe_precision

    for note in report.notes:
        console.say(f"{report.job.source}: {note}")
    execution = restorer.execution
    console.out.print(str(report.job.target))
    console.say(
        f"{report.width}×{report.height} · {describe_device(execution.device)} · "
        f"{describe_precision(execution.precision)} · {report.seconds:.1f} s · "
        f"{report.megapixels / report.seconds:.2f} MP/s"
    )
