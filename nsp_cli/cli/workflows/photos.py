"""What denoise, upscale and watch have in common: find the photos, load the network, process, show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options.groups import (
    CameraRawOptions,
    FilterOptions,
    MachineOptions,
    PhotoOptions,
    ResultOptions,
    RunOptions,
)
from nsp_cli.cli.signals import CLUSTER_GRACE_SECONDS, GRACE_SECONDS, ended_by_signals
from nsp_cli.cli.workflows.cluster import OnBegin, Start, machine_that_asks, on_cluster
from nsp_cli.cli.workflows.display import RunDisplay
from nsp_cli.cli.workflows.dry_run import show_forecast
from nsp_cli.cli.workflows.loading import load_restorers, make_workers, raw_weights, settled
from nsp_cli.cli.workflows.operations import Operation
from nsp_cli.cli.workflows.pages import check_page
from nsp_cli.cli.workflows.pipes import deliver, standard_streams

if TYPE_CHECKING:
    from nsp_cli.batch import Job, Pipeline, RunSettings, Selection, StreamingPipeline
    from nsp_cli.restoration.inference import Restorer


def process_photos(
    photos: PhotoOptions,
    operation: Operation,
    *,
    result: ResultOptions,
    raw: CameraRawOptions,
    run: RunOptions,
    machine: MachineOptions,
) -> None:
    """Processes photos. One that fails does not stop the others.

    Raises:
        typer.BadParameter: No photo was named.
        NspError: Nothing could be started, or the only photo failed.
        PhotosFailedError: Some of several photos failed, or were not begun because the disk is full.
    """
    from nsp_cli.batch import find_unsupported

    grace = GRACE_SECONDS if run.cluster is None else CLUSTER_GRACE_SECONDS
    streams = standard_streams(photos, _located(result), run)
    # Signals outside, so that what came from standard input is removed too.
    with ended_by_signals(grace), streams as (named, written, piped):
        selection = _selection(named)
        jobs = _plan(selection, operation, written, run)
        _check_piped(jobs, piped)
        asking = machine_that_asks(machine, run.cluster)
        operation = settled(operation)
        is_raw = _are_raw(jobs, operation)
        restorers = load_restorers(operation, asking, share=len(jobs) > 1, announce=not is_raw)
        settings = make_settings(operation, restorers[0], named, written, raw)
        if run.cluster is None:
            place = _here(jobs, settings, operation, restorers)
        else:
            place = on_cluster(run.cluster, jobs, settings, operation, machine, restorers[0])
        if run.dry_run:
            with place as (_, speed):
                show_forecast(jobs, settings, speed)
            return
        with place as (start, _), RunDisplay(len(jobs), run, is_piped=piped is not None) as display:
            _process(jobs, start, display)
            display.report()
            display.sum_up(find_unsupported(selection, leave_out=written.output))
            if piped is not None:
                deliver(piped)


@contextmanager
def _here(
    jobs: Sequence[Job], settings: RunSettings, operation: Operation, restorers: Sequence[Restorer]
) -> Iterator[tuple[Start, Callable[[], float]]]:
    """This machine in place of a cluster, as `on_cluster`."""
    from nsp_cli.batch import Pipeline, StreamingPipeline, is_remote, seconds_per_megapixel

    workers = make_workers(restorers, operation)

    def start(begin: OnBegin) -> Pipeline | StreamingPipeline:
        pipeline = Pipeline(settings, workers, begin)
        return StreamingPipeline(pipeline) if any(map(is_remote, jobs)) else pipeline

    yield start, lambda: seconds_per_megapixel(workers[0].restore) / len(workers)


def _located(result: ResultOptions) -> ResultOptions:
    """The same options with an address in place of the path that Typer makes of it."""
    from nsp_cli.batch import located

    return result if result.output is None else replace(result, output=located(result.output))


def _check_piped(jobs: Sequence[Job], piped: Path | None) -> None:
    if piped is None:
        return
    if len(jobs) != 1:
        raise typer.BadParameter(f"-o - takes the result of one photo, but there are {len(jobs)}.")
    console.show_as(jobs[0].target, "standard output")


def _check_addresses(jobs: Sequence[Job], result: ResultOptions, run: RunOptions) -> None:
    from nsp_cli.batch import is_remote

    if any(map(is_remote, jobs)):
        for name, is_given in (
            ("--keep-times", result.keep_times),
            ("--open", run.open_result),
            ("--report", run.report is not None),
        ):
            if is_given:
                raise typer.BadParameter(f"{name} is for files, not for addresses such as s3://...")


def _check_alone(jobs: Sequence[Job], run: RunOptions) -> None:
    """Refuses a single file that is no photo, before seconds go into loading a network.

    One of several photos, or one that JSON reports on, fails when its turn comes.

    Raises:
        InputError: It is missing, or nsp does not read its kind.
    """
    from nsp_cli.batch import is_remote
    from nsp_cli.photo import check_kind

    if len(jobs) == 1 and not run.json and not is_remote(jobs[0]):
        check_kind(jobs[0].source)


def _are_raw(jobs: Sequence[Job], operation: Operation) -> bool:
    """Whether all photos are for the network of camera RAW, which is announced when it is needed."""
    from nsp_cli.photo import RAW_SUFFIXES

    return bool(operation.raw_model) and all(job.source.suffix.lower() in RAW_SUFFIXES for job in jobs)


def _plan(
    selection: Selection, operation: Operation, result: ResultOptions, run: RunOptions
) -> Sequence[Job]:
    from nsp_cli.batch import find_photos, plan_jobs

    if run.report is not None:
        check_page(run.report)
    found = find_photos(selection, leave_out=result.output)
    jobs = plan_jobs(found, output=result.output, ending=operation.ending, file_format=result.format_name)
    _check_addresses(jobs, result, run)
    _check_alone(jobs, run)
    return jobs


def _process(jobs: Sequence[Job], start: Start, display: RunDisplay) -> None:
    pipeline = start(lambda index, job: display.begin(index, console.name_of(job.source)))
    # Closed in any case, so that a run that is left early waits for the file being written.
    with closing(pipeline.run(jobs)) as outcomes:
        for outcome in outcomes:
            display.show(outcome)
            if display.must_stop(outcome):
                pipeline.stop()
    display.put_in_order(jobs)


def _selection(photos: PhotoOptions) -> Selection:
    from nsp_cli.batch import read_list

    named = [*(photos.photos or []), *(read_list(photos.files_from) if photos.files_from else [])]
    if not named:
        raise typer.BadParameter("Name photos or folders, or give a list with --files-from.")
    return select(named, photos)


def select(named: Sequence[Path], filters: FilterOptions) -> Selection:
    """The selection of photos among named photos, folders and patterns."""
    from nsp_cli.batch import Selection, located

    return Selection(
        tuple(map(located, named)),
        filters.recursive,
        tuple(filters.include or ()),
        tuple(filters.exclude or ()),
        filters.prefer,
    )


def make_settings(
    operation: Operation,
    restorer: Restorer,
    filters: FilterOptions,
    result: ResultOptions,
    raw: CameraRawOptions,
) -> RunSettings:
    """The settings of a run: what to do with each photo and how to write its result."""
    from nsp_cli.batch import RunSettings
    from nsp_cli.photo import RawOptions

    weights = restorer.weights
    assert weights is not None  # load_weights names them
    development = RawOptions(raw.raw_exposure, raw.raw_wb, raw.half)
    settings = {**operation.settings, "bit_depth": result.bit_depth, "quality": result.quality}
    if development != RawOptions():
        settings["raw"] = asdict(development)
    return RunSettings(
        weights=weights.name,
        weights_sha256=weights.sha256,
        settings=json.dumps(settings, sort_keys=True),
        scale=restorer.spec.scale if operation.enlarges else 1,
        bit_depth=result.bit_depth,
        quality=result.quality,
        overwrite=result.overwrite,
        keep_times=result.keep_times,
        max_megapixels=filters.max_megapixels,
        raw=development,
        raw_weights=raw_weights(operation),
        accept_damaged=filters.accept_damaged,
    )
