"""Standard input and output in place of files: `nsp denoise - -o -`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options.groups import PhotoOptions, ResultOptions, RunOptions
from nsp_cli.errors import InputError, OutputError
from nsp_cli.files import temporary_folder

STANDARD = Path("-")
_NAME = "standard-input"
_HINT = "Send a photo to nsp: nsp denoise - -o - < PHOTO > FILE"
_PIECE = 2**20
_LARGEST = 2**32  # bytes; something may write without end


@contextmanager
def standard_streams(
    photos: PhotoOptions, result: ResultOptions, run: RunOptions
) -> Iterator[tuple[PhotoOptions, ResultOptions, Path | None]]:
    """Puts files in place of standard input and output while the block runs.

    Yields:
        The options with the files' names, and the folder of what goes to standard output, else None.

    Raises:
        typer.BadParameter: The options do not go together.
        InputError: Standard input is closed, empty or a terminal, or does not end.
        OutputError: Standard output is closed.
    """
    reads, writes = STANDARD in (photos.photos or []), result.output == STANDARD
    _check(photos, result, run, reads=reads, writes=writes)
    if not (reads or writes):
        yield photos, result, None
        return
    with temporary_folder() as folder:
        if reads:
            photos = replace(photos, photos=[_saved_input(folder)])
        made = folder / "results"
        yield photos, replace(result, output=made) if writes else result, made if writes else None


def _check(
    photos: PhotoOptions, result: ResultOptions, run: RunOptions, *, reads: bool, writes: bool
) -> None:
    if reads and (photos.photos != [STANDARD] or photos.files_from is not None):
        raise typer.BadParameter("- stands for the only photo, which comes from standard input.")
    if reads and result.output is None:
        raise typer.BadParameter("A photo from standard input needs a place for its result: -o - or -o FILE.")
    if writes and (result.keep_times or run.json or run.open_result or run.report is not None):
        raise typer.BadParameter("-o - leaves no file for --json, --open, --report or --keep-times.")
    if (reads or writes) and run.cluster is not None:
        raise typer.BadParameter("--cluster is for files. Leave it out for a photo from or to a program.")
    if writes and not run.dry_run:
        _check_output()


def _check_output() -> None:
    if sys.stdout is None:
        raise OutputError("Standard output is closed.", "Send the result to a file: -o - > FILE.")
    if sys.stdout.isatty():
        raise typer.BadParameter("A terminal cannot show the result. Send it elsewhere: -o - > FILE.")


def _saved_input(folder: Path) -> Path:
    """Saves standard input, under a name whose suffix tells its format."""
    from nsp_cli.photo import suffix_by_content

    if sys.stdin is None or sys.stdin.isatty():
        kind = "closed" if sys.stdin is None else "a terminal"
        raise InputError(f"Standard input is {kind}.", _HINT)
    path = folder / _NAME
    size = 0
    with path.open("wb") as file:
        while piece := sys.stdin.buffer.read(_PIECE):
            size += file.write(piece)
            if size > _LARGEST:
                raise InputError(
                    "Standard input does not end: 4 GB are no photo.", "Check the program before."
                )
    if size == 0:
        raise InputError("Standard input is empty.", _HINT)
    named = path.with_name(_NAME + suffix_by_content(path))
    path.rename(named)
    console.show_as(named, "standard input")
    return named


def deliver(folder: Path) -> None:
    """Writes the one file in a folder to standard output.

    Raises:
        OutputError: Standard output cannot be written.
    """
    (made,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    console.write_file(made)
