"""What denoise, upscale and watch have in common: find the photos, load the weights, run, show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nsp_cli.cli.runs.display import RunDisplay, Showing
from nsp_cli.cli.runs.engine import Engine, load_restorers, workers_of
from nsp_cli.cli.runs.forecast import show_forecast
from nsp_cli.cli.runs.methods import Method
from nsp_cli.cli.runs.report import check_page
from nsp_cli.cli.signals import sigterm_interrupts
from nsp_cli.photo.formats import FileFormat

if TYPE_CHECKING:
    from nsp_cli.batch import Job, Order, Selection, Worker
    from nsp_cli.photo import RawOptions
    from nsp_cli.restoration.inference import Restorer


@dataclass(frozen=True)
class Target:
    """Where and how results are written.

    Attributes:
        output: File or folder; None is beside the photo.
        ending: Of results beside their photos.
        file_format: None keeps the photo's.
        bit_depth: 8 or 16; None keeps the photo's.
        quality: Of JPEG and WebP.
        overwrite: Whether existing results may be replaced.
        keep_times: Results get their photos' times.
        max_megapixels: Larger photos are refused.
        raw: How camera RAW is developed; None is the default.
    """

    output: Path | None
    ending: str
    file_format: FileFormat | None
    bit_depth: int | None
    quality: int
    overwrite: bool
    keep_times: bool
    max_megapixels: float
    raw: RawOptions | None = None

    @property
    def format_name(self) -> str | None:
        return None if self.file_format is None else self.file_format.value


def select(
    photos: Sequence[Path] | None,
    files_from: Path | None,
    *,
    recursive: bool,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    prefer: str,
) -> Selection:
    """Makes a selection of the options.

    Raises:
        InputError: The list cannot be read.
        typer.BadParameter: Nothing was named.
    """
    from nsp_cli.batch import Selection, read_list

    named = [*(photos or []), *(read_list(files_from) if files_from else [])]
    if not named:
        raise typer.BadParameter("name photos or folders, or a list with --files-from")
    return Selection(tuple(named), recursive, tuple(include or ()), tuple(exclude or ()), prefer)  # type: ignore[arg-type]


def restore_photos(
    selection: Selection, method: Method, *, target: Target, engine: Engine, showing: Showing
) -> None:
    """Restores photos; one that fails does not stop the others.

    Raises:
        NspError: Nothing could be started, or the only photo failed.
        PhotosFailedError: Some of several photos failed, or were not begun for want of space.
    """
    from nsp_cli.batch import find_photos, plan_jobs

    if showing.report is not None:
        check_page(showing.report)
    found = find_photos(selection, leave_out=target.output)
    jobs = plan_jobs(found, output=target.output, ending=target.ending, file_format=target.format_name)
    restorers = load_restorers(engine, method, share=len(jobs) > 1)
    order = order_of(method, target, restorers[0])
    workers = workers_of(restorers, method)
    if showing.dry_run:
        show_forecast(jobs, order, workers)
        return
    with sigterm_interrupts(), RunDisplay(len(jobs), showing) as display:
        _run(jobs, order, workers, display)
        display.report()
        display.sum_up()


def _run(jobs: Sequence[Job], order: Order, workers: Sequence[Worker], display: RunDisplay) -> None:
    from nsp_cli.batch import Pipeline

    pipeline = Pipeline(order, workers, lambda index, job: display.begin(index, job.source.name))
    # Closed in any case, so that a run that is left early waits for the file being written.
    with closing(pipeline.run(jobs)) as outcomes:
        for outcome in outcomes:
            display.show(outcome)
            if display.is_to_stop(outcome):
                pipeline.stop()


def order_of(method: Method, target: Target, restorer: Restorer) -> Order:
    """Makes a run's order of the options."""
    from nsp_cli.batch import Order
    from nsp_cli.photo import RawOptions

    weights = restorer.weights
    assert weights is not None  # load_weights names them
    settings = {**method.settings, "bit_depth": target.bit_depth, "quality": target.quality}
    if target.raw is not None and target.raw != RawOptions():
        settings["raw"] = asdict(target.raw)
    return Order(
        weights=weights.name,
        weights_sha256=weights.sha256,
        settings=json.dumps(settings, sort_keys=True),
        scale=restorer.spec.scale if method.enlarges else 1,
        bit_depth=target.bit_depth,
        quality=target.quality,
        overwrite=target.overwrite,
        keep_times=target.keep_times,
        max_megapixels=target.max_megapixels,
        raw=target.raw,
    )
