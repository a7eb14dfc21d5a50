"""Pages that compare photos, as commands write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.errors import OutputError
from nsp_cli.progress import counted

if TYPE_CHECKING:
    from nsp_cli.batch import Outcome
    from nsp_cli.report import PageSummary


def check_page(page: Path) -> Path:
    """Returns a name for a page, found out before any work to be one that can be written; makes its folder.

    Raises:
        OutputError: It is none (so no photo is ever replaced by a page), or its folder cannot be made.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{page}: pages are written as .html", "Give a name that ends so.")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {page.parent} cannot be made: {error.strerror}.", "Choose another for the page."
        ) from error
    return page


def report_run(page: Path, outcomes: Sequence[Outcome]) -> None:
    """Writes a page of a run's photos and says what it holds.

    Raises:
        OutputError: It cannot be written.
    """
    from nsp_cli.report import write_run

    say_written(page, write_run(page, outcomes, title=f"nsp · {counted(len(outcomes), 'photo')}"))


def say_written(page: Path, written: PageSummary) -> None:
    """Says how large a page is and what is in it."""
    same = len(set(written.summaries)) == 1
    contents = written.summaries[0] if same else counted(len(written.summaries), "photo")
    console.say(f"{page}: {written.size / 1e6:.1f} MB; {contents}")
    if written.not_shown:
        console.say(f"not shown: {counted(len(written.not_shown), 'photo')}; the page says why")
