"""Everything that nsp shows except progress bars. Results go to stdout, everything else to stderr.

Rich leaves out colours and control characters if the stream is not a terminal.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from nsp_cli.cli.terminal import find_protocol, picture_sequence
from nsp_cli.errors import NspError, OutputError

_ESCAPING = "nsp-escaping"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Console(Console):
    """Replaces control characters of file names and metadata in a terminal. A pipe gets them unchanged."""

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*(without_controls(part, self) for part in objects), **options)
        except BrokenPipeError:  # the reader has seen enough: Typer ends the command
            raise
        except OSError as error:
            _drop_output(self.file)
            if not self.stderr:
                raise _no_output(error) from error


def _drop_output(stream: IO[str]) -> None:
    """Discards what the stream still holds, so that Python does not fail on it again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def without_controls(part: Any, console: Console) -> Any:
    """Returns a part to print; for a terminal, control characters in a text are replaced."""
    if not isinstance(part, str):
        return part
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", shown(part)) if console.is_terminal else shown(part)


_names: dict[str, str] = {}


def show_as(path: Path, name: str) -> None:
    """Shows a name in place of a temporary file's path, also in the error that ends the command."""
    _names[str(path)] = _names[json.dumps(str(path))[1:-1]] = name


def name_of(path: Path) -> str:
    """Returns the name of a file as it is shown: without its folder, and a temporary file's other name."""
    return _names.get(str(path), path.name)


def shown(text: str) -> str:
    """Returns a text as it is shown, with names in place of temporary files' paths."""
    for path, name in _names.items():
        text = text.replace(path, name)
    return text


# Rich would take brackets and digits in file names for markup, or colour them.
out = _Console(markup=False, highlight=False, soft_wrap=True)
err = _Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def accept_any_name() -> None:
    """Lets no name of a file end a run because a stream's encoding lacks its letters.

    Names that are not text are printed as the bytes that they are, and letters that are missing as escapes.
    """
    codecs.register_error(_ESCAPING, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPING)


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    try:  # also for reading, as surrogateescape: whoever captures the stream may read it back
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.lookup_error("backslashreplace")(error)


_is_verbose = False


def set_quiet(quiet: bool) -> None:
    """Hides everything except errors and results."""
    err.quiet = quiet


def set_verbose(verbose: bool) -> None:
    """Shows details too."""
    global _is_verbose  # noqa: PLW0603 - belongs to the whole process, as `err` does
    _is_verbose = verbose


@contextmanager
def silent() -> Iterator[None]:
    """Hides results and everything else except errors while the block runs."""
    before = err.quiet, out.quiet
    err.quiet = out.quiet = True
    try:
        yield
    finally:
        err.quiet, out.quiet = before


def say(text: str) -> None:
    """Says what is happening. Not part of the result."""
    err.print(text)


def detail(text: str) -> None:
    """Says a detail, if the user asked for details."""
    if _is_verbose:
        say(text)


def warn(text: str) -> None:
    """Shows a note that the user should read. The run goes on."""
    err.print(f"Note: {text}", style="yellow")


def show_error(error: NspError) -> None:
    """Shows what went wrong and what to do, even if nsp is quiet."""
    was_quiet, err.quiet = err.quiet, False
    err.print(f"Error: {error.message}", style="bold red")
    if error.hint:
        err.print(f"       {error.hint}")
    err.quiet = was_quiet


def terminal() -> str:
    """Description of the stream that results go to."""
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
    """Prints a result as JSON, in ASCII if the stream cannot hold every letter."""
    is_narrow = not out.encoding.lower().startswith("utf")
    out.print(json.dumps(value, indent=None if one_line else 2, ensure_ascii=is_narrow))


def write_file(path: Path) -> None:
    """Writes a file's content to standard output, as the result.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has seen enough: Typer ends the command
        raise
    except OSError as error:
        _drop_output(sys.stdout)
        raise _no_output(error) from error


def _no_output(error: OSError) -> OutputError:
    return OutputError(
        f"Standard output cannot be written: {error.strerror}.", "Redirect it to another place."
    )


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a result as a table. In a pipe, columns are as wide as their content."""
    # Rich assumes that a pipe has 80 columns, and would shorten file names.
    wide = out if out.is_terminal else _Console(width=1000, markup=False, highlight=False)
    wide.print(_grid(title, columns, rows))


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Says something in a table. Not part of the result."""
    wide = _Console(stderr=True, width=1000, markup=False, highlight=False, quiet=err.quiet)
    (err if err.is_terminal else wide).print(_grid("", columns, rows))


def _grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    grid = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        grid.add_row(*(without_controls(cell, out) for cell in row))
    return grid


def duration(seconds: float) -> str:
    """Duration in words: "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
