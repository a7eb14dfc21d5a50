"""One photo's three stages: read it, work on its pixels, write the result. Each may run in its own thread."""

from __future__ import annotations

import os
import time
from pathlib import Path

from nsp_cli.batch.finished import check_unchanged, fingerprint, is_copy, is_finished
from nsp_cli.batch.naming import Job
from nsp_cli.batch.outcome import ELSEWHERE, Outcome, Status
from nsp_cli.batch.run_settings import Ready, RunSettings, Worked
from nsp_cli.batch.worker import Worker
from nsp_cli.errors import OutputError
from nsp_cli.files import claim, make_folder
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import (
    EIGHT_BIT_FORMATS,
    Photo,
    Written,
    check_readable,
    check_writable,
    copy_photo,
    format_of,
    read_photo,
    to_bit_depth,
    with_provenance,
    write_photo,
)


def read_job(job: Job, settings: RunSettings) -> Ready | Outcome:
    """Claims a result and reads its photo, unless it is finished or another process works on it.

    Raises:
        InputError: The photo cannot be read.
        OutputError: The result could not be written. This is checked before the work as far as possible.
    """
    begin = time.perf_counter()
    check_readable(job.source)
    make_folder(job.target.parent, "Choose another with -o.")
    claimed = claim(job.target)
    if claimed is None:
        return Outcome(job, Status.SKIPPED, notes=(ELSEWHERE,))
    try:
        before, source_sha256 = fingerprint(job.source)
        is_copied = is_copy(job, source_sha256)
        if not is_copied and is_finished(job, source_sha256, settings):
            claimed.release()
            return Outcome(job, Status.SKIPPED, notes=("done before with the same settings",))
        photo = read_photo(
            job.source,
            max_megapixels=settings.max_megapixels,
            raw=settings.raw,
            keep_mosaic=bool(settings.raw_weights),
            accept_damaged=settings.accept_damaged,
        )
        check_unchanged(job.source, before)
        provenance = settings.provenance(
            source_sha256, is_raw=photo.format == "raw", is_mosaic=photo.mosaic is not None
        )
        depth = _depth(photo, job.target, settings.bit_depth)
        may_replace = settings.overwrite or is_copied
        check_writable(to_bit_depth(photo, depth), job.target, overwrite=may_replace, scale=settings.scale)
    except BaseException:
        claimed.release()
        raise
    return Ready(job, claimed, photo, depth, provenance, is_copied, time.perf_counter() - begin)


def _depth(photo: Photo, target: Path, asked: int | None) -> int:
    """Bit depth to write: the one asked for, otherwise the photo's as far as the format can hold it."""
    return asked or (8 if format_of(target) in EIGHT_BIT_FORMATS else photo.bit_depth)


def work_job(ready: Ready, worker: Worker, on_progress: OnProgress | None) -> Worked:
    """Works on a photo's pixels.

    Args:
        ready: The photo.
        worker: Does the work.
        on_progress: Called with the number of pixels done and the number in all.

    Raises:
        DeviceError: The network cannot run.
    """
    begin = time.perf_counter()
    # Converted before the network, so that the result really has the finer levels.
    deep = to_bit_depth(ready.photo, max(ready.depth, ready.photo.bit_depth))
    photo, notes, noise, is_changed = worker.work(deep, on_progress)
    seconds = time.perf_counter() - begin
    result = to_bit_depth(photo, ready.depth)
    return Worked(ready, result, is_changed, notes, noise, worker.device, worker.precision, seconds)


def write_job(worked: Worked, settings: RunSettings) -> Outcome:
    """Writes a result, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    begin = time.perf_counter()
    ready, job, photo = worked.ready, worked.ready.job, worked.photo
    is_copy = _is_to_be_copied(worked)
    if is_copy and ready.is_copied:
        return _outcome(worked, Status.SKIPPED, 0.0, notes=("passed through before",))
    if is_copy:
        # A copy keeps every byte of metadata, and encoding JPEG again would lose a little.
        copy_photo(job.source, job.target, overwrite=settings.overwrite)
        written = Written()
    else:
        photo = with_provenance(photo, ready.provenance)
        written = write_photo(photo, job.target, quality=settings.quality, overwrite=settings.overwrite)
    if settings.keep_times:
        _keep_times(job)
    status = Status.DONE if worked.is_changed else Status.PASSED_THROUGH
    seconds = time.perf_counter() - begin
    notes = photo.notes + written.left_out
    return _outcome(worked, status, seconds, notes=notes, details=written.changed)


def _is_to_be_copied(worked: Worked) -> bool:
    ready = worked.ready
    is_same_kind = ready.photo.format == format_of(ready.job.target)
    return not worked.is_changed and is_same_kind and ready.depth == ready.photo.bit_depth


def _keep_times(job: Job) -> None:
    try:
        times = job.source.stat()
        os.utime(job.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    except OSError as error:
        raise OutputError(
            f"{job.target} is written, but its file times cannot be set: {error.strerror}.",
            "Leave out --keep-times.",
        ) from error


def _outcome(
    worked: Worked, status: Status, seconds: float, *, notes: tuple[str, ...], details: tuple[str, ...] = ()
) -> Outcome:
    ready, photo = worked.ready, worked.photo
    return Outcome(
        ready.job,
        status,
        width=photo.width,
        height=photo.height,
        megapixels=ready.photo.width * ready.photo.height / 1e6,
        seconds=ready.seconds + worked.seconds + seconds,
        noise=worked.noise,
        device=worked.device,
        precision=worked.precision,
        notes=notes + worked.notes,
        details=details,
    )
