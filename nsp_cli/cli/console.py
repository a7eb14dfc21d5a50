"""Everything nsp shows: lines, tables, progress, errors. Results go to stdout, the rest to stderr.

Rich leaves out colour and control characters by itself where the stream is no terminal.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from nsp_cli.cli.terminal import find_protocol, picture_sequence
from nsp_cli.errors import NspError
from nsp_cli.progress import OnProgress

# How often a log gets a line where a terminal would have a bar.
LINE_EVERY_SECONDS = 60.0

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Console(Console):
    """Lets no control character of a file name or of a file's metadata reach a terminal; a pipe gets all."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_harmless(part, self) for part in objects), **options)


def _harmless(part: Any, console: Console) -> Any:
    if not isinstance(part, str) or not console.is_terminal:
        return part
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", part)


# File names hold brackets and digits that rich would take for markup or colour.
out = _Console(markup=False, highlight=False, soft_wrap=True)
err = _Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def accept_any_name() -> None:
    """Lets file names that are no text in the user's encoding through, as the bytes that they are."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")


_is_verbose = False


def set_quiet(quiet: bool) -> None:
    """Leaves only errors and asked-for results."""
    err.quiet = quiet


def set_verbose(verbose: bool) -> None:
    """Shows details as well."""
    global _is_verbose  # noqa: PLW0603 - as much a property of the whole process as `err` is
    _is_verbose = verbose


@contextmanager
def silent() -> Iterator[None]:
    """Says and shows nothing but errors meanwhile, results neither."""
    before = err.quiet, out.quiet
    err.quiet = out.quiet = True
    try:
        yield
    finally:
        err.quiet, out.quiet = before


def say(text: str) -> None:
    """Tells what is happening; not part of the result."""
    err.print(text)


def detail(text: str) -> None:
    """Tells what only those want to know who asked for it."""
    if _is_verbose:
        say(text)


def warn(text: str) -> None:
    """Tells of something the user should know but that stops nothing."""
    err.print(f"Note: {text}", style="yellow")


def show_error(error: NspError) -> None:
    """Shows what went wrong and what to try, also when quiet."""
    was_quiet, err.quiet = err.quiet, False
    err.print(f"Error: {error.message}", style="bold red")
    if error.hint:
        err.print(f"       {error.hint}")
    err.quiet = was_quiet


def terminal() -> str:
    """Describes what results are shown on."""
    kind = f"a terminal of {out.width} columns" if out.is_terminal else "a file or pipe"
    return f"{kind}, {out.color_system or 'no'} colours, {out.encoding}"


def show_picture(png: Path) -> None:
    """Shows a PNG file between the lines of a terminal that is known to show pictures."""
    protocol = find_protocol(os.environ)
    # Not rich's is_terminal: FORCE_COLOR makes that true for a pipe.
    if protocol and not out.quiet and out.file.isatty():
        out.file.write(picture_sequence(png.read_bytes(), protocol))
        out.file.flush()


def print_json(value: object, *, one_line: bool = False) -> None:
    """Prints a result for programs."""
    out.print(json.dumps(value, indent=None if one_line else 2, ensure_ascii=False))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a result for people; a column is as wide as it needs to be when piped."""
    # Rich takes a pipe for 80 columns wide and would cut file names short.
    wide = out if out.is_terminal else Console(width=1000, markup=False, highlight=False)
    wide.print(_grid(title, columns, rows))


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Tells something in a table; not part of the result."""
    wide = Console(stderr=True, width=1000, markup=False, highlight=False, quiet=err.quiet)
    (err if err.is_terminal else wide).print(_grid("", columns, rows))


def _grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    grid = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        grid.add_row(*(_harmless(cell, out) for cell in row))
    return grid


def duration(seconds: float) -> str:
    """Says how long something takes, as people do: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress(description: str, *extra: ProgressColumn) -> Iterator[OnProgress]:
    """Shows a bar with the time left; nothing where stderr is no terminal or nsp is quiet.

    Yields:
        A function to call with the amounts done and to do.
    """
    with _bar(*extra) as bar:
        # Hidden until there is something to report: most weights need no download.
        task = bar.add_task(description, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


class BatchProgress:
    """One bar over several photos, so that the time left is that of the whole; several may be in work."""

    def __init__(self, bar: Progress, count: int) -> None:
        """Adds the bar.

        Args:
            bar: Shows it.
            count: Photos in all.
        """
        self._bar, self._count, self._finished = bar, count, 0
        self._shares: dict[int, float] = {}
        self._task = bar.add_task("", total=count)

    def begin(self, index: int, name: str) -> OnProgress:
        """Names a photo whose work begins; returns what to call with its amounts done and to do."""
        place = f"{index + 1}/{self._count} " if self._count > 1 else ""
        self._bar.update(self._task, description=place + _harmless(name, err))

        def update(done: int, total: int) -> None:
            self._shares[index] = done / total
            self._show()

        return update

    def finish(self, index: int) -> None:
        """Counts a photo as finished, however it ended."""
        self._shares.pop(index, None)
        self._finished += 1
        self._show()

    def _show(self) -> None:
        # A copy: another photo's thread may add to it.
        self._bar.update(self._task, completed=self._finished + sum(list(self._shares.values())))


@contextmanager
def progress_over(count: int) -> Iterator[BatchProgress]:
    """Shows one bar over several photos."""
    with _bar() as bar:
        yield BatchProgress(bar, count)


@contextmanager
def live_progress(description: str) -> Iterator[Callable[[float, str], None]]:
    """Shows a bar for a long run that reports its share in [0, 1] and a changing text.

    Where stderr is no terminal, a line a minute takes the bar's place, so that a log tells how far it is.
    """
    with _bar(TextColumn("{task.fields[text]}", markup=False)) as bar:
        task = bar.add_task(description, total=1.0, text="")
        last_line = time.monotonic()

        def show(share: float, text: str) -> None:
            nonlocal last_line
            bar.update(task, completed=share, text=text)
            if not err.is_terminal and time.monotonic() - last_line > LINE_EVERY_SECONDS:
                last_line = time.monotonic()
                say(f"{description} {share:.1%} · {text}")

        yield show


@contextmanager
def download_progress(description: str) -> Iterator[OnProgress]:
    """Shows a bar in bytes."""
    with progress(description, DownloadColumn()) as on_progress:
        yield on_progress


def _bar(*extra: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        *extra,
        console=err,
        transient=True,
        disable=not err.is_terminal or err.quiet,
    )
