"""What a run would do, without doing it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from nsp_cli.batch.finished import fingerprint, is_copy, is_finished
from nsp_cli.batch.naming import Job
from nsp_cli.batch.outcome import Status
from nsp_cli.batch.restored import Restore
from nsp_cli.batch.run_settings import RunSettings
from nsp_cli.batch.streaming import brought_job
from nsp_cli.errors import InputError, NspError
from nsp_cli.photo import check_readable, photo_size

# Side in pixels of the picture on which a run's speed is measured.
_SIDE = 512
# Seconds per megapixel to decode and encode. The slowest format takes twice as long.
_FILES = 0.1


@dataclass(frozen=True)
class Forecast:
    """The outcome that one photo would have.

    Attributes:
        job: Source and target.
        status: DONE for results that would be made, SKIPPED for results that exist, or FAILED.
        width, height: Size of the result; 0 if none would be made.
        megapixels: Size of the photo.
        reason: Why it would be skipped or would fail.
    """

    job: Job
    status: Status
    width: int = 0
    height: int = 0
    megapixels: float = 0.0
    reason: str = ""


def foresee(job: Job, settings: RunSettings) -> Forecast:
    """Returns what a run would do with a photo, from its header and checksum, without reading pixels."""
    try:
        with brought_job(job) as here:
            check_readable(here.source)
            _, sha256 = fingerprint(here.source)
            if is_copy(here, sha256) or is_finished(here, sha256, settings):
                return Forecast(job, Status.SKIPPED, reason="done before")
            width, height = photo_size(here.source)
        if width * height / 1e6 > settings.max_megapixels:
            raise InputError(f"more than {settings.max_megapixels:g} megapixels", "")
    except NspError as error:
        return Forecast(job, Status.FAILED, reason=error.message)
    scale = settings.scale
    return Forecast(job, Status.DONE, width * scale, height * scale, width * height / 1e6)


def seconds_per_megapixel(restore: Restore) -> float:
    """Measures on a small noisy picture how long a megapixel takes, reading and writing included."""
    import torch

    from nsp_cli.restoration.view import View

    noisy = torch.randint(0, 256, (3, _SIDE, _SIDE), dtype=torch.uint8)
    restore(noisy, None, View())  # the first one also pays for what is set up once
    begin = time.perf_counter()
    restore(noisy, None, View())
    return (time.perf_counter() - begin) / (_SIDE**2 / 1e6) + _FILES
