"""A page about a run over many photos, made from their files after the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nsp_cli.batch import Outcome
from nsp_cli.errors import NspError
from nsp_cli.report.comparison import NotShown, PageSummary, PhotoComparison, write_comparison
from nsp_cli.report.versions import read_versions


def write_run(path: Path, outcomes: Sequence[Outcome], *, title: str) -> PageSummary:
    """Writes a page with a run's photos before and after. Failures are listed with their reasons.

    Raises:
        OutputError: The page cannot be written.
    """
    return write_comparison(path, map(_comparison, outcomes), len(outcomes), title=title)


def _comparison(outcome: Outcome) -> PhotoComparison | NotShown:
    source, target = outcome.job.source, outcome.job.target
    if outcome.error is not None:
        return NotShown(source.name, outcome.error.message)
    try:
        return PhotoComparison(source.name, read_versions(source, [target]))
    except NspError as error:  # removed or replaced since
        return NotShown(source.name, error.message)
