"""Progress bars on standard error, for work of known and unknown length."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

from nsp_cli.cli import console
from nsp_cli.ops.progress import OnProgress

# How often a log gets a line in place of a progress bar.
_LINE_EVERY_SECONDS = 60.0


@contextmanager
def progress(description: str, *extra: ProgressColumn) -> Iterator[OnProgress]:
    """Shows a progress bar with the time left; nothing if stderr is not a terminal or nsp is quiet.

    Yields:
        A function to call with the amount done and the total.
    """
    with _bar(*extra) as bar:
        # Hidden until there is progress: most weights need no download.
        task = bar.add_task(description, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


class BatchProgress:
    """One progress bar for several photos, so that the time left is that of the whole run."""

    def __init__(self, bar: Progress, count: int) -> None:
        """Adds a task to a progress bar.

        Args:
            bar: Progress bar to show it in.
            count: Number of photos of the run.
        """
        self._bar, self._count, self._finished = bar, count, 0
        self._shares: dict[int, float] = {}
        self._task = bar.add_task("", total=count)

    def begin(self, index: int, name: str) -> OnProgress:
        """Shows the name of a photo that is being started; returns a callback for its progress."""
        place = f"{index + 1}/{self._count} " if self._count > 1 else ""
        self._bar.update(self._task, description=place + console.without_controls(name, console.err))

        def update(done: int, total: int) -> None:
            self._shares[index] = done / total
            self._show()

        return update

    def finish(self, index: int) -> None:
        """Counts a photo as finished, even if it failed."""
        self._shares.pop(index, None)
        self._finished += 1
        self._show()

    def _show(self) -> None:
        # A copy, because threads of other photos may change it.
        self._bar.update(self._task, completed=self._finished + sum(list(self._shares.values())))


@contextmanager
def progress_over(count: int) -> Iterator[BatchProgress]:
    """Shows one progress bar for several photos."""
    with _bar() as bar:
        yield BatchProgress(bar, count)


@contextmanager
def live_progress(description: str) -> Iterator[Callable[[float, str], None]]:
    """Shows a progress bar for a long run that reports its share in [0, 1] and a changing text.

    If stderr is not a terminal, one line per minute replaces the bar, so that a log shows the progress.
    """
    with _bar(TextColumn("{task.fields[text]}", markup=False)) as bar:
        task = bar.add_task(description, total=1.0, text="")
        last_line = time.monotonic()

        def show(share: float, text: str) -> None:
            nonlocal last_line
            bar.update(task, completed=share, text=text)
            if not console.err.is_terminal and time.monotonic() - last_line > _LINE_EVERY_SECONDS:
                last_line = time.monotonic()
                console.say(f"{description} {share:.1%} · {text}")

        yield show


@contextmanager
def download_progress(description: str) -> Iterator[OnProgress]:
    """Shows a progress bar in bytes."""
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
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal or console.err.quiet,
    )
