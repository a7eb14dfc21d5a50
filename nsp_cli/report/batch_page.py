"""A page about a run over many photos, made from their files after the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nsp_cli.batch import Outcome
from nsp_cli.errors import NspError
from nsp_cli.report.comparison import NotShown, PageSummary, PhotoComparison, write_comparison
from nsp_cli.report.versions import read_versions


def write_run(
    path: Path, outcomes: Sequence[Outcome], *, title: str, name_of: Callable[[Path], str]
) -> PageSummary:
    """Writes a page with a run's photos before and after. Failures are listed with their reasons.

    Args:
        path: The page.
        outcomes: Of all photos of the run.
        title: Of the page.
        name_of: Returns the name under which a file is shown.

    Raises:
        OutputError: The page cannot be written.
    """
    return write_comparison(
        path, (_comparison(outcome, name_of) for outcome in outcomes), len(outcomes), title=title
    )


def _comparison(outcome: Outcome, name_of: Callable[[Path], str]) -> PhotoComparison | NotShown:
    source, target = outcome.job.source, outcome.job.target
    name = name_of(source)
    if outcome.error is not None:
        return NotShown(name, outcome.error.message)
    try:
        return PhotoComparison(name, read_versions(source, [target], name_of=name_of))
    except NspError as error:  # removed or replaced since
        return NotShown(name, error.message)
