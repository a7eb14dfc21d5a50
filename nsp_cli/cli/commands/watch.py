"""nsp watch: photos denoised as they arrive, as on a tethered shoot."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.groups import (
    ArrivingResultOptions,
    CameraRawOptions,
    FilterOptions,
    MachineOptions,
    NoiseOptions,
    ReportingOptions,
    ResultOptions,
    RunOptions,
)
from nsp_cli.cli.signals import ended_by_signals
from nsp_cli.cli.workflows.display import RunDisplay
from nsp_cli.cli.workflows.loading import load_restorers, make_worker, settled
from nsp_cli.cli.workflows.operations import denoising
from nsp_cli.cli.workflows.photos import make_settings, select
from nsp_cli.cli.workflows.pipes import STANDARD
from nsp_cli.errors import InputError

if TYPE_CHECKING:
    from nsp_cli.batch import Job, RunSettings, Selection, Worker


@grouped
def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder where photos arrive.")],
    filters: FilterOptions,
    noise: NoiseOptions,
    result: ArrivingResultOptions,
    raw: CameraRawOptions,
    reporting: ReportingOptions,
    machine: MachineOptions,
) -> None:
    """Denoise photos as they arrive in a folder, for example on a tethered shoot. Ctrl-C stops it."""
    from nsp_cli.batch import arriving_jobs

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", "Name the folder that the camera writes to.")
    if result.output == STANDARD:
        raise typer.BadParameter("-o - is for a single photo. Name a folder.")
    operation = settled(denoising(noise))
    (restorer,) = load_restorers(operation, machine, share=False)
    settings, worker = (
        make_settings(operation, restorer, filters, result, raw),
        make_worker(restorer, operation),
    )
    plan = partial(_plan, select([folder], filters), result, operation.ending)
    run = RunOptions(json=reporting.json, log=reporting.log)
    console.say(f"Watching {folder}. Press Ctrl-C to stop.")
    with ended_by_signals(), suppress(KeyboardInterrupt):
        for job in arriving_jobs(plan):
            _process(job, settings, worker, run)


def _plan(selection: Selection, result: ResultOptions, ending: str) -> list[Job]:
    """Jobs for all photos in the folder, so that results next to them are not mistaken for new photos."""
    from nsp_cli.batch import find_photos, plan_jobs

    try:
        found = find_photos(selection, leave_out=result.output)
        return plan_jobs(found, output=result.output, ending=ending, file_format=result.format_name)
    except InputError:  # the folder is still empty
        return []


def _process(job: Job, settings: RunSettings, worker: Worker, run: RunOptions) -> None:
    from nsp_cli.batch import Pipeline

    with RunDisplay(1, run) as display:
        pipeline = Pipeline(settings, [worker], lambda index, job: display.begin(index, job.source.name))
        for outcome in pipeline.run([job]):
            display.show(outcome)
            if outcome.error is not None:
                console.show_error(outcome.error)
