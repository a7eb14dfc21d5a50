"""A folder for results of a long run, which the same command can continue."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nsp_cli.errors import OutputError
from nsp_cli.files import cannot_write, claim, hidden_name, replacing, write_text

RECORD = "run.json"
_HINT = "Check free space; the same command continues where this run stopped."
# Files that a run writes; --overwrite removes these and nothing else.
_OWN = ("scores.csv*", "SubmitSrgb.csv*", "[0-9]*_[0-9]*.mat", "bundled/[0-9]*.mat")


@contextmanager
def results_in(folder: Path, identity: Mapping[str, Any], *, overwrite: bool) -> Iterator[None]:
    """Makes a folder for results, or continues in the folder of the same run, and claims it.

    Args:
        folder: A new or empty folder, or one from an earlier run.
        identity: Everything the results depend on, as JSON values; recorded in the folder.
        overwrite: Whether to remove the results of another run.

    Raises:
        OutputError: The folder is in use, contains something else or results of another run, or cannot
            be made.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = claim(folder / RECORD)
    if held is None:
        raise OutputError(
            f"Another nsp process is writing results to {folder}.",
            "Wait until it has finished, or choose another folder with -o.",
        )
    try:
        with _writing(folder):
            _begin(folder, identity, overwrite=overwrite)
        yield
    finally:
        held.release()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def _begin(folder: Path, identity: Mapping[str, Any], *, overwrite: bool) -> None:
    record = folder / RECORD
    if record.exists():
        differing = _differing(record, identity)
        if not differing and not overwrite:
            return
        if not overwrite:
            raise OutputError(
                f"{folder} contains results of another run, which differs in {', '.join(differing)}.",
                "Choose another folder with -o, or replace them with --overwrite.",
            )
        _clear(folder)
    elif any(not path.name.startswith(hidden_name(record)) for path in folder.iterdir()):
        raise OutputError(f"{folder} is not empty.", "Choose a new folder with -o.")
    write_text(record, json.dumps(identity, indent=2))


def _differing(record: Path, identity: Mapping[str, Any]) -> list[str]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return sorted(key for key in identity | found if identity.get(key) != found.get(key))
    except (ValueError, TypeError, AttributeError):
        return [f"an unreadable {RECORD}"]


def _clear(folder: Path) -> None:
    for pattern in _OWN:
        for path in folder.glob(pattern):
            path.unlink()


class Rows:
    """A CSV table that grows row by row and survives interruptions.

    Attributes:
        path: The complete table. Until `finish`, its rows are in a file with `.partial` after its name.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Continues the table of an earlier start, without a row that was cut short, or begins a new one.

        Args:
            path: The complete table.
            columns: Names of the columns.

        Raises:
            OutputError: The file cannot be written.
        """
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._lines = _cut_to_whole_lines(self._current()) if self._current().exists() else 0
        if self._lines == 0:
            self._add(columns)

    def __len__(self) -> int:
        """Returns the number of rows."""
        return self._lines - 1

    def __iter__(self) -> Iterator[list[str]]:
        """Yields the rows."""
        with self._current().open(encoding="ascii", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            yield from rows

    def append(self, row: Sequence[object]) -> None:
        """Adds a row.

        Raises:
            OutputError: The disk is full.
        """
        self._add(row)

    def finish(self) -> None:
        """Moves the complete table to its final name.

        Raises:
            OutputError: The disk is full.
        """
        if not self._partial.exists():
            return
        with replacing(self.path, hint=_HINT) as file, self._partial.open("rb") as rows:
            shutil.copyfileobj(rows, file)
        self._partial.unlink()

    def _current(self) -> Path:
        return self.path if self.path.exists() else self._partial

    def _add(self, row: Sequence[object]) -> None:
        try:
            with self._current().open("a", encoding="ascii", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(row)
        except OSError as error:
            raise cannot_write(self._partial, error, _HINT) from error
        self._lines += 1


def _cut_to_whole_lines(path: Path) -> int:
    """Removes a last line that a killed run cut short, and returns the number of lines."""
    with path.open("r+b") as file:
        lines, length = _whole_lines(file)
        file.truncate(length)
    return lines


def _whole_lines(file: IO[bytes]) -> tuple[int, int]:
    lines = length = 0
    for line in file:
        if line.endswith(b"\n"):
            lines, length = lines + 1, length + len(line)
    return lines, length
