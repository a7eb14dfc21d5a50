"""HTML pages that compare photos: where commands may write them, and what they say about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.errors import OutputError
from nsp_cli.ops.progress import counted

if TYPE_CHECKING:
    from nsp_cli.batch import Outcome
    from nsp_cli.report import PageSummary

_GENERATOR = b'<meta name="generator" content="nsp">'
_HEAD_BYTES = 1000


def check_page(page: Path) -> Path:
    """Checks a page's name before any work, creates its folder and returns the name.

    Raises:
        OutputError: The name does not end in .html, a file of that name is not a page of nsp, or the folder
            cannot be created.
    """
    from nsp_cli.files import make_folder

    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{page} is not the name of an HTML page.", "Use a name ending in .html.")
    if page.exists() and not _is_page_of_nsp(page):
        raise OutputError(
            f"{page} already exists and is not a page of nsp.", "Choose another name, or delete the file."
        )
    make_folder(page.parent)
    return page


def _is_page_of_nsp(page: Path) -> bool:
    try:
        if not page.is_file():  # to read a pipe would wait for ever
            return False
        with page.open("rb") as file:
            return _GENERATOR in file.read(_HEAD_BYTES)
    except OSError:
        return False


def report_run(page: Path, outcomes: Sequence[Outcome]) -> None:
    """Writes a page of a run's photos and says what it contains.

    Raises:
        OutputError: The page cannot be written.
    """
    from nsp_cli.report import write_run

    title = f"nsp · {counted(len(outcomes), 'photo')}"
    say_written(page, write_run(page, outcomes, title=title, name_of=console.name_of))


def say_written(page: Path, written: PageSummary) -> None:
    """Says how large a page is and what it contains."""
    same = len(set(written.summaries)) == 1
    contents = written.summaries[0] if same else counted(len(written.summaries), "photo")
    console.say(f"{page}: {written.size / 1e6:.1f} MB; {contents}")
    if written.not_shown:
        console.say(f"Not shown: {counted(len(written.not_shown), 'photo')}. The page says why.")
