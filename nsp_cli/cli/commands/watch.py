"""nsp watch: photos denoised as they arrive, as on a tethered shoot."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options import common as options
from nsp_cli.cli.options import photos as batch
from nsp_cli.cli.runs.display import RunDisplay, Showing
from nsp_cli.cli.runs.engine import Engine, load_restorers, worker_of
from nsp_cli.cli.runs.methods import chosen_strength, denoising
from nsp_cli.cli.runs.photos import Target, order_of, select
from nsp_cli.cli.signals import sigterm_interrupts
from nsp_cli.errors import InputError

if TYPE_CHECKING:
    from nsp_cli.batch import Job, Order, Selection, Worker


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where photos arrive.")],
    output: options.Output = None,
    recursive: batch.Recursive = False,
    strength: options.StrengthOf = None,
    luma: options.Luma = None,
    chroma: options.Chroma = None,
    model: options.Model = "auto",
    format: options.Format = None,
    quality: options.Quality = 95,
    keep_times: batch.KeepTimes = False,
    include: batch.Include = None,
    exclude: batch.Exclude = None,
    prefer: batch.PreferOf = batch.Prefer.BOTH,
    json: batch.Json = False,
    log: batch.Log = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    max_megapixels: options.MaxMegapixels = 250,
) -> None:
    """Denoise photos that arrive in a folder, when they are fully written; Ctrl-C ends it."""
    from nsp_cli.batch import arriving_jobs

    if not folder.is_dir():
        raise InputError(f"{folder} is no folder.", "Name the folder that the camera writes to.")
    selection = select(
        [folder], None, recursive=recursive, include=include, exclude=exclude, prefer=prefer.value
    )
    method = denoising(chosen_strength(strength, luma, chroma, plain=False), plain=False)
    target = Target(output, "_denoised", format, None, quality, False, keep_times, max_megapixels)
    restorers = load_restorers(Engine(model, device, precision, None), method, share=False)
    order, worker = order_of(method, target, restorers[0]), worker_of(restorers[0], method)
    console.say(f"Watching {folder}; Ctrl-C ends it.")
    with sigterm_interrupts(), suppress(KeyboardInterrupt):
        for job in arriving_jobs(partial(_plan, selection, target)):
            _do(job, order, worker, Showing(json, log))


def _plan(selection: Selection, target: Target) -> list[Job]:
    """Plans for all that is there, so that results beside their photos are not taken for new ones."""
    from nsp_cli.batch import find_photos, plan_jobs

    try:
        found = find_photos(selection, leave_out=target.output)
        return plan_jobs(found, output=target.output, ending=target.ending, file_format=target.format_name)
    except InputError:  # nothing there yet
        return []


def _do(job: Job, order: Order, worker: Worker, showing: Showing) -> None:
    from nsp_cli.batch import Pipeline

    with RunDisplay(1, showing) as display:
        pipeline = Pipeline(order, [worker], lambda index, job: display.begin(index, job.source.name))
        for outcome in pipeline.run([job]):
            display.show(outcome)
            if outcome.error is not None:
                console.show_error(outcome.error)
