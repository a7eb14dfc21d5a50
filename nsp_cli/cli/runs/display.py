"""How a run over many photos tells of itself: a bar, a line per photo, a log, and the table at its end."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import typer

from nsp_cli.cli import console
from nsp_cli.cli.runs.report import report_run
from nsp_cli.errors import OutputError, PhotosFailedError
from nsp_cli.progress import OnProgress

if TYPE_CHECKING:
    from nsp_cli.batch import Outcome

# Longer tables than this push the reason of the first failure out of sight; a log has all.
_MOST_ROWS = 40


@dataclass(frozen=True)
class Showing:
    """How a run is shown.

    Attributes:
        json: A JSON object per photo on standard output, in place of its path.
        log: A line per photo is added there.
        fail_fast: Stop at the first photo that fails.
        dry_run: Only tell what would be done.
        open_result: Show every result in the system's viewer.
        report: A page of the photos before and after goes there.
    """

    json: bool = False
    log: Path | None = None
    fail_fast: bool = False
    dry_run: bool = False
    open_result: bool = False
    report: Path | None = None


class RunDisplay:
    """Shows a run while it goes on; a context manager that also says what was done when interrupted."""

    def __init__(self, count: int, showing: Showing) -> None:
        """Prepares; nothing is shown yet.

        Args:
            count: Photos in all.
            showing: How.
        """
        self._count, self._showing = count, showing
        self._outcomes: list[Outcome] = []
        self._stack = ExitStack()
        self._log: TextIO | None = None
        self._begin = perf_counter()

    def __enter__(self) -> RunDisplay:
        """Starts the bar.

        Raises:
            OutputError: The log cannot be written.
        """
        if self._showing.log is not None:
            self._log = self._stack.enter_context(_opened(self._showing.log))
        self._bar = self._stack.enter_context(console.progress_over(self._count))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if kind is KeyboardInterrupt and self._count > 1:
            console.say(f"{self._counts()}; the same command goes on where it stopped.")

    def begin(self, index: int, name: str) -> OnProgress:
        """Names the photo whose work begins."""
        return self._bar.begin(index, name)

    def show(self, outcome: Outcome) -> None:
        """Tells of a photo that ended, however it did."""
        self._bar.finish(len(self._outcomes))
        self._outcomes.append(outcome)
        if self._log is not None:
            self._log.write(_log_line(outcome))
            self._log.flush()
        if self._showing.json:
            console.print_json(outcome.as_dict(), one_line=True)
        _show(outcome, is_alone=self._count == 1, print_path=not self._showing.json)
        if self._showing.open_result and outcome.width and typer.launch(str(outcome.job.target)) != 0:
            console.warn(f"no viewer could be started; open {outcome.job.target} yourself.")

    def is_to_stop(self, outcome: Outcome) -> bool:
        """Tells whether the photos that follow are not to be begun."""
        return outcome.error is not None and (self._showing.fail_fast or outcome.is_end_of_disk)

    def report(self) -> None:
        """Writes the page of what ended so far, if one was asked for and there is something to show.

        Raises:
            OutputError: It cannot be written.
        """
        page = self._showing.report
        if page is not None and any(outcome.error is None for outcome in self._outcomes):
            report_run(page, self._outcomes)

    def sum_up(self) -> None:
        """Shows what needs a look.

        Raises:
            NspError: The only photo failed.
            PhotosFailedError: Some of several failed, or were not begun after one that failed.
        """
        if self._count == 1:
            error = self._outcomes[0].error
            if error is not None:
                raise error
            return
        self._show_table()
        console.say(f"{self._counts()} in {console.duration(perf_counter() - self._begin)}")
        failed = sum(outcome.error is not None for outcome in self._outcomes)
        if failed:
            raise PhotosFailedError(_verdict(self._outcomes, failed), _advice(self._outcomes))

    def _counts(self) -> str:
        counts = Counter(outcome.status.value for outcome in self._outcomes)
        counts["not begun"] += self._count - len(self._outcomes)
        return " · ".join(f"{number} {status}" for status, number in counts.items() if number)

    def _show_table(self) -> None:
        from nsp_cli.batch import Status

        order = (Status.FAILED, Status.PASSED_THROUGH, Status.SKIPPED, Status.NOT_BEGUN)
        rows = [
            (outcome.status.value, str(outcome.job.source), _reason(outcome))
            for status in order
            for outcome in self._outcomes
            if outcome.status is status
        ]
        if rows:
            console.say_table(("", "photo", "why"), rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            console.say(f"and {len(rows) - _MOST_ROWS} more; --log FILE writes all of them down")


def _opened(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.", "Check --log.") from error


def _show(outcome: Outcome, *, is_alone: bool, print_path: bool) -> None:
    from nsp_cli.batch import Status

    source = outcome.job.source
    # Of a run that goes on, those that were done before are in the way; the table has them.
    say = console.say if is_alone or outcome.width else console.detail
    for note in outcome.notes:
        say(f"{source}: {note}")
    for detail in outcome.details:
        console.detail(f"{source}: {detail}")
    if outcome.error is not None:
        if not is_alone:  # whose error ends the command and is shown there
            console.show_error(outcome.error)
        return
    if print_path and outcome.status is not Status.NOT_BEGUN:
        console.out.print(str(outcome.job.target))
    if outcome.width:
        console.say(
            f"{outcome.width}×{outcome.height} · {outcome.device} · {outcome.precision} · "
            f"{outcome.seconds:.1f} s · {outcome.megapixels / max(1e-9, outcome.seconds):.2f} MP/s"
        )


def _reason(outcome: Outcome) -> str:
    if outcome.error is None:
        return "; ".join(outcome.notes)
    return outcome.error.message.removeprefix(str(outcome.job.source)).lstrip(": ")


def _log_line(outcome: Outcome) -> str:
    """Makes a line of an outcome; a fault of nsp brings its traceback along."""
    from nsp_cli.errors import UnexpectedError

    now = datetime.now().astimezone().isoformat(timespec="seconds")
    job, seconds = outcome.job, f"{outcome.seconds:.2f} s"
    line = "\t".join((now, outcome.status.value, str(job.source), str(job.target), seconds, _reason(outcome)))
    line += "\n"
    if isinstance(outcome.error, UnexpectedError):
        line += "".join(traceback.format_exception(outcome.error.__cause__))
    return line


def _verdict(outcomes: Sequence[Outcome], failed: int) -> str:
    from nsp_cli.batch import Status

    not_begun = sum(outcome.status is Status.NOT_BEGUN for outcome in outcomes)
    others = f"{not_begun} were not begun" if not_begun else "the others are done"
    return f"{failed} of {len(outcomes)} photos failed; {others}."


def _advice(outcomes: Sequence[Outcome]) -> str:
    if any(outcome.is_end_of_disk for outcome in outcomes):
        return "The disk is full: make room, and run the same command again; it goes on where it stopped."
    return ""
