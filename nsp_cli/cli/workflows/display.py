"""What a run over many photos shows: a progress bar, a line per photo, a log, and a table at the end."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options.groups import RunOptions
from nsp_cli.cli.workflows.pages import report_run
from nsp_cli.errors import OutputError, PhotosFailedError
from nsp_cli.ops.progress import OnProgress

if TYPE_CHECKING:
    from nsp_cli.batch import Job, Outcome

# A longer table would push the first failure out of sight. A log lists all photos.
_MOST_ROWS = 40


class RunDisplay:
    """Shows a run's progress. As a context manager, it also says what an interrupted run has done."""

    def __init__(self, count: int, options: RunOptions, *, is_piped: bool = False) -> None:
        """Prepares the display. It shows nothing yet.

        Args:
            count: Number of photos of the run.
            options: What to show and where.
            is_piped: Whether standard output is for the result alone.
        """
        self._count, self._options = count, options
        self._prints_paths = not (options.json or is_piped)
        self._outcomes: list[Outcome] = []
        self._stack = ExitStack()
        self._log: BinaryIO | None = None
        self._begin = perf_counter()

    def __enter__(self) -> RunDisplay:
        """Opens the log and starts the progress bar.

        Raises:
            OutputError: The log cannot be written.
        """
        if self._options.log is not None:
            self._log = self._stack.enter_context(_opened(self._options.log))
        self._bar = self._stack.enter_context(progress_bars.progress_over(self._count))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if kind is KeyboardInterrupt and self._count > 1:
            console.say(f"{self._counts()}. Run the same command again to continue.")

    def begin(self, index: int, name: str) -> OnProgress:
        """Shows the name of a photo that is being started; returns a callback for its progress."""
        return self._bar.begin(index, name)

    def show(self, outcome: Outcome) -> None:
        """Shows how a photo ended."""
        self._bar.finish(len(self._outcomes))
        self._outcomes.append(outcome)
        if self._log is not None:
            _write_log(self._log, _log_line(outcome))
        if self._options.json:
            console.print_json(outcome.as_dict(), one_line=True)
        _show(outcome, is_alone=self._count == 1, print_path=self._prints_paths)
        if self._options.open_result and outcome.width and typer.launch(str(outcome.job.target)) != 0:
            console.warn(f"No viewer could be started. Open {outcome.job.target} yourself.")

    def must_stop(self, outcome: Outcome) -> bool:
        """True if no further photos should be started after this one."""
        return outcome.error is not None and (self._options.fail_fast or outcome.is_end_of_disk)

    def put_in_order(self, jobs: Sequence[Job]) -> None:
        """Lists the photos so far in the order of their jobs, if they did not end in it."""
        places = {job: place for place, job in enumerate(jobs)}
        self._outcomes.sort(key=lambda outcome: places[outcome.job])

    def report(self) -> None:
        """Writes the page of --report, if at least one photo succeeded.

        Raises:
            OutputError: The page cannot be written.
        """
        page = self._options.report
        if page is not None and any(outcome.error is None for outcome in self._outcomes):
            report_run(page, self._outcomes)

    def sum_up(self, unsupported: Sequence[Path] = ()) -> None:
        """Shows a table of the photos that failed or were not processed, and the counts.

        Args:
            unsupported: Pictures beside the photos that nsp cannot read.

        Raises:
            NspError: The only photo failed.
            PhotosFailedError: Some of several photos failed, or were not begun after a failure.
        """
        if self._count == 1:
            error = self._outcomes[0].error
            if unsupported:
                _show_rows(_unsupported_rows(unsupported))
            if error is not None:
                raise error
            return
        _show_rows([*self._rows(), *_unsupported_rows(unsupported)])
        console.say(f"{self._counts()} in {console.duration(perf_counter() - self._begin)}")
        failed = sum(outcome.error is not None for outcome in self._outcomes)
        if failed:
            raise PhotosFailedError(_verdict(self._outcomes, failed), _advice(self._outcomes))

    def _counts(self) -> str:
        counts = Counter(outcome.status.value for outcome in self._outcomes)
        counts["not begun"] += self._count - len(self._outcomes)
        return " · ".join(f"{number} {status}" for status, number in counts.items() if number)

    def _rows(self) -> list[tuple[str, str, str]]:
        from nsp_cli.batch import Status

        order = (Status.FAILED, Status.PASSED_THROUGH, Status.SKIPPED, Status.NOT_BEGUN)
        return [
            (outcome.status.value, str(outcome.job.source), _reason(outcome))
            for status in order
            for outcome in self._outcomes
            if outcome.status is status
        ]


def _unsupported_rows(paths: Sequence[Path]) -> list[tuple[str, str, str]]:
    return [("not supported", str(path), f"nsp cannot read {path.suffix.lower()} files") for path in paths]


def _show_rows(rows: Sequence[tuple[str, str, str]]) -> None:
    if rows:
        console.say_table(("", "photo", "why"), rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        console.say(f"{len(rows) - _MOST_ROWS} more are not shown. --log FILE records all photos of the run.")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("ab", buffering=0)  # a buffer would fail again when the log is closed
    except OSError as error:
        raise _log_error(path, error) from error


def _write_log(log: BinaryIO, line: str) -> None:
    try:
        log.write(console.shown(line).encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise _log_error(Path(log.name), error) from error


def _log_error(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The log {path} cannot be written: {error.strerror}.", "Choose another file for --log."
    )


def _show(outcome: Outcome, *, is_alone: bool, print_path: bool) -> None:
    from nsp_cli.batch import Status

    source = outcome.job.source
    # When a run continues, lines about finished photos would be in the way. The table lists them.
    say = console.say if is_alone or outcome.width else console.detail
    for note in outcome.notes:
        say(f"{source}: {note}")
    for detail in outcome.details:
        console.detail(f"{source}: {detail}")
    if outcome.error is not None:
        if not is_alone:  # the error of a single photo is shown when it ends the command
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
    """Line of a log; an unexpected error is followed by its traceback."""
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
        return "The disk is full. Free some space, then run the same command again to continue."
    return ""
