"""Finds out whether a result already exists, from the files alone: a list could be lost or wrong."""

from __future__ import annotations

import os
from pathlib import Path

from nsp_cli.batch.naming import Job
from nsp_cli.batch.run_settings import RunSettings
from nsp_cli.errors import InputError, OutputError
from nsp_cli.files import check_plain, file_sha256
from nsp_cli.photo import Provenance, read_provenance


def fingerprint(path: Path) -> tuple[os.stat_result, str]:
    """Returns a photo's state on disk and its sha256.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.stat(), file_sha256(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", "Check the disk or the card."
        ) from error


def is_copy(job: Job, source_sha256: str) -> bool:
    """Tells whether a result is a copy of its photo, as results of photos without noise are."""
    target = job.target
    try:
        return target.stat().st_size == job.source.stat().st_size and file_sha256(target) == source_sha256
    except OSError:
        return False


def is_finished(job: Job, source_sha256: str, settings: RunSettings) -> bool:
    """Tells whether the result already exists. With `overwrite`, only a result of this version of nsp counts.

    Raises:
        OutputError: Another result exists, or something that is no file, which must not be replaced.
    """
    if not os.path.lexists(job.target):
        return False
    check_plain(job.target)
    made, wanted = read_provenance(job.target), settings.provenances(job.source, source_sha256)
    if made and any(made.is_repeated_by(one, same_version=settings.overwrite) for one in wanted):
        return True
    if made is not None and not settings.overwrite:
        raise OutputError(
            f"{job.target} already exists. It was made from {_difference(made, wanted[0])}.",
            "Replace it with --overwrite, or choose another folder with -o.",
        )
    return False


def _difference(made: Provenance, wanted: Provenance) -> str:
    if made.source != wanted.source:
        return "another photo"
    return "the same photo with other " + ("settings" if made.settings != wanted.settings else "weights")


def check_unchanged(source: Path, before: os.stat_result) -> None:
    """Checks that a photo has not changed since its fingerprint was taken.

    Raises:
        InputError: It has changed.
    """
    now = source.stat()
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError(f"{source} changed while it was read.", "Run nsp again when it is complete.")
