"""What --dry-run shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nsp_cli.cli import console, progress_bars

if TYPE_CHECKING:
    from nsp_cli.batch import Job, RunSettings


def show_forecast(jobs: Sequence[Job], settings: RunSettings, measure: Callable[[], float]) -> None:
    """Shows what a run would write, in what size, and about how long it would take. Writes nothing.

    Args:
        jobs: The photos.
        settings: Settings of the run.
        measure: Measures how many seconds a megapixel takes all devices together.
    """
    from nsp_cli.batch import Status, foresee

    forecasts = []
    with progress_bars.progress("Checking photos") as on_progress:
        for done, job in enumerate(jobs, 1):
            forecasts.append(foresee(job, settings))
            on_progress(done, len(jobs))
    speed = measure()
    rows = [
        (
            str(forecast.job.source),
            str(forecast.job.target) if forecast.status is Status.DONE else forecast.reason,
            f"{forecast.width}×{forecast.height}" if forecast.width else "",
            f"{forecast.megapixels * speed:.1f} s" if forecast.width else "",
        )
        for forecast in forecasts
    ]
    console.table("Dry run: nothing is written", ("photo", "result", "size", "about"), rows)
    total = sum(forecast.megapixels for forecast in forecasts)
    count = sum(forecast.status is Status.DONE for forecast in forecasts)
    console.say(f"{count} of {len(jobs)} photos, {total:.1f} MP: about {console.duration(total * speed)}")
