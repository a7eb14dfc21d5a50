"""Finds the photos that the user names: as files, folders, patterns or lists."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from nsp_cli.batch.addresses import Address, listed
from nsp_cli.errors import InputError
from nsp_cli.photo import FOREIGN_SUFFIXES, PHOTO_SUFFIXES, RAW_SUFFIXES, WRITABLE_SUFFIXES

Prefer = Literal["raw", "jpeg", "both"]
STDIN = Path("-")


@dataclass(frozen=True)
class Selection:
    """The photos that the user selected.

    Attributes:
        named: Photos, folders and patterns such as `*.jpg`, which some shells leave to the program.
        recursive: Whether folders below the named ones count.
        include: Patterns of file names or of paths below the named folder; empty for all.
        exclude: Patterns to leave out. They take precedence over `include`.
        prefer: For a RAW file and a JPEG of the same name in one folder, which of them to process.
    """

    named: tuple[Path, ...]
    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    prefer: Prefer = "both"


@dataclass(frozen=True)
class Found:
    """A photo and the place where it was found.

    Attributes:
        path: File of the photo.
        below: Its folder, relative to the one that was named; "." for photos that were named themselves.
        is_named: Whether it was named itself and not found in a folder.
        size: Bytes, where the list of an address told them; else 0.
    """

    path: Path
    below: Path = Path()
    is_named: bool = True
    size: int = 0


def read_list(path: Path) -> list[Path]:
    """Reads names from a file, or "-" for standard input: one per line, or NUL-terminated (`find -print0`).

    Raises:
        InputError: The file cannot be read, or standard input is closed.
    """
    if path == STDIN and sys.stdin is None:
        raise InputError("Standard input is closed.", "Check --files-from.")
    try:
        content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", "Check --files-from.") from error
    names = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [Path(os.fsdecode(name)) for name in names if name.strip()]


def find_photos(selection: Selection, *, leave_out: Path | None = None) -> list[Found]:
    """Lists the selected photos, each once, in a stable order: as named, and by name within folders.

    Args:
        selection: The photos that the user selected.
        leave_out: A folder below which nothing is taken, such as the one for results.

    Raises:
        InputError: A folder contains no photos, or a pattern matches nothing.
    """
    found: dict[str, Found] = {}
    for named in selection.named:
        for photo in _expand(named, selection.recursive, leave_out):
            if _is_wanted(photo, selection):
                found.setdefault(os.path.normcase(photo.path.absolute()), photo)
    photos = _preferred(list(found.values()), selection.prefer)
    if not photos:
        raise InputError("No photos match these filters.", "Check --include, --exclude and the list.")
    return photos


def find_unsupported(selection: Selection, *, leave_out: Path | None = None) -> list[Path]:
    """Lists pictures in the named folders that nsp cannot read, as far as their suffixes tell.

    Args:
        selection: The photos that the user selected.
        leave_out: As in `find_photos`.
    """
    found: dict[str, Path] = {}
    for folder in filter(Path.is_dir, selection.named):
        walked = _walk(folder, FOREIGN_SUFFIXES, recursive=selection.recursive, leave_out=leave_out)
        for photo in walked:
            if _is_wanted(photo, selection):
                found.setdefault(os.path.normcase(photo.path.absolute()), photo.path)
    return list(found.values())


def _expand(named: Path, recursive: bool, leave_out: Path | None) -> Iterator[Found]:
    if isinstance(named, Address):
        yield from _at_address(named, recursive, leave_out)
    elif named.is_dir():
        yield from _in_folder(named, recursive, leave_out)
    elif not os.path.lexists(named) and glob.has_magic(str(named)):
        matches = sorted(Path(named.anchor).glob(str(named.relative_to(named.anchor))))
        if not matches:
            raise InputError(f"Nothing matches {named}.", "Check the pattern and the folder.")
        for match in matches:
            yield from _in_folder(match, recursive, leave_out) if match.is_dir() else [Found(match)]
    else:
        yield Found(named)


def _at_address(named: Address, recursive: bool, leave_out: Path | None) -> Iterator[Found]:
    is_empty = True
    # As in a folder, where only what is below it is left out.
    skipped = leave_out if leave_out is not None and named in leave_out.parents else None
    for address, below, size in listed(named, recursive=recursive):
        is_skipped = skipped is not None and skipped in address.parents
        if address.suffix.lower() in PHOTO_SUFFIXES and not is_skipped:
            is_empty = False
            yield Found(address, below, address == named, size)
    if is_empty:
        raise InputError(f"{named} contains no photos.", "Check the address, or add --recursive.")


def walk_photos(folder: Path, *, recursive: bool, leave_out: Path | None = None) -> Iterator[Found]:
    """Returns a folder's photos in a stable order, without hidden files and folders.

    Links to folders are not followed.

    Args:
        folder: An existing folder; others yield nothing.
        recursive: Whether folders below it count.
        leave_out: A folder below which nothing is taken, such as the one for results.
    """
    return _walk(folder, PHOTO_SUFFIXES, recursive=recursive, leave_out=leave_out)


def _walk(
    folder: Path, suffixes: frozenset[str], *, recursive: bool, leave_out: Path | None
) -> Iterator[Found]:
    skipped = None if leave_out is None else leave_out.resolve()
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if _is_walked(here / name, skipped)) if recursive else []
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Found(here / name, here.relative_to(folder), is_named=False)


def _in_folder(folder: Path, recursive: bool, leave_out: Path | None) -> Iterator[Found]:
    is_empty = True
    for photo in walk_photos(folder, recursive=recursive, leave_out=leave_out):
        is_empty = False
        yield photo
    if is_empty:
        others = _walk(folder, FOREIGN_SUFFIXES, recursive=recursive, leave_out=leave_out)
        kinds = sorted({photo.path.suffix.lower() for photo in others})
        raise InputError(
            f"{folder} contains no photos"
            + (f" that nsp can read, only {', '.join(kinds)} files." if kinds else "."),
            "Add --recursive to look into the folders below."
            if not recursive and _has_folders(folder, leave_out)
            else "Check the folder.",
        )


def _has_folders(folder: Path, leave_out: Path | None) -> bool:
    skipped = None if leave_out is None else leave_out.resolve()
    _, below, _ = next(os.walk(folder), ("", [], []))
    return any(_is_walked(folder / name, skipped) for name in below)


def _is_walked(folder: Path, skipped: Path | None) -> bool:
    return not folder.name.startswith(".") and (skipped is None or folder.resolve() != skipped)


def _is_wanted(photo: Found, selection: Selection) -> bool:
    names = (photo.path.name.lower(), (photo.below / photo.path.name).as_posix().lower())

    def fits(patterns: Iterable[str]) -> bool:
        return any(fnmatch(name, pattern.lower()) for pattern in patterns for name in names)

    return not fits(selection.exclude) and (not selection.include or fits(selection.include))


def _preferred(photos: list[Found], prefer: Prefer) -> list[Found]:
    """Leaves out one photo of each RAW+JPEG pair."""
    if prefer == "both":
        return photos
    jpegs = {suffix for suffix, name in WRITABLE_SUFFIXES.items() if name == "jpeg"}
    taken, left = (RAW_SUFFIXES, jpegs) if prefer == "raw" else (jpegs, RAW_SUFFIXES)
    kept = {_shot(photo) for photo in photos if photo.path.suffix.lower() in taken}
    return [p for p in photos if p.path.suffix.lower() not in left or _shot(p) not in kept]


def _shot(photo: Found) -> tuple[Path, str]:
    return photo.path.parent, photo.path.stem.lower()
