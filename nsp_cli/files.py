"""Results on disk: files written whole or not at all, claims on them between processes, checksums."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nsp_cli.errors import OutputError, reason_of

if TYPE_CHECKING:
    from filelock import FileLock

_PREFIX = ".nsp-"
_unfinished: set[Path] = set()  # temporary files and folders, and locks, of this process
_HINT = "Check free space and permissions, or choose another folder."


def check_target(path: Path, *, source: Path | None, overwrite: bool) -> None:
    """Refuses a place where a result must not go. Call it before hours of work.

    Raises:
        OutputError: The folder is missing, the path is a folder, a pipe or a device, is the input itself
            (also through a link), exists and `overwrite` is False, or has a name that the file system does
            not accept.
    """
    try:
        if not path.parent.is_dir():
            raise OutputError(f"The folder {path.parent} does not exist.", "Create it first.")
        check_plain(path)
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise OutputError(
                f"{path} is the input itself, which nsp never overwrites.", "Choose another name."
            )
        if not overwrite and os.path.lexists(path):
            raise _exists(path)
    except OSError as error:
        raise cannot_write(path, error, "Choose a shorter name or another folder with -o.") from error


def check_plain(path: Path) -> None:
    """Refuses a result's place where something other than a file is. Reading a pipe would wait for ever.

    Raises:
        OutputError: The path is a folder, a pipe, a socket or a device.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; a file name is needed.", "Add a file name.")
    if path.exists() and not path.is_file():
        raise OutputError(
            f"{path} is a pipe, socket or device, which is never replaced.", "Choose another name."
        )


@contextmanager
def replacing(path: Path, *, overwrite: bool = True, hint: str = _HINT) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and moves it there when the block ends without an error.

    After any error, Ctrl-C included, the temporary file is gone and `path` is as it was. If the process
    is killed, the temporary file stays; see `remove_leftovers`. The file can also be read, so that an
    encoder may go back. Its name cannot be guessed, so nobody can put a link in its place.

    Args:
        path: The result; its folder exists.
        overwrite: Whether an existing file may be replaced.
        hint: What the user can do when the file cannot be written.

    Raises:
        OutputError: The disk is full, permission is missing, or `path` exists and `overwrite` is False.
    """
    # Not tempfile: its files are readable by the owner alone, and the result would stay so.
    temporary = path.with_name(f"{hidden_name(path)}-{secrets.token_hex(4)}{path.suffix[:10]}")
    _unfinished.add(temporary)
    try:
        try:
            with temporary.open("x+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _move(temporary, path, overwrite)
        finally:
            with suppress(OSError):
                temporary.unlink()
            _unfinished.discard(temporary)
    except OSError as error:
        raise cannot_write(path, error, hint) from error


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8, whole or not at all, with its own line endings. An existing file is replaced.

    Raises:
        OutputError: The file cannot be written.
    """
    with replacing(path) as file:
        file.write(text.encode())


def make_folder(folder: Path, hint: str = "Choose another folder.") -> None:
    """Creates a folder and the folders above it, unless it exists.

    Raises:
        OutputError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be created: {reason_of(error)}.", hint) from error


def check_takes_files(folder: Path) -> None:
    """Checks that files can be written into a folder, before work begins that would be lost.

    Raises:
        OutputError: They cannot.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"Nothing can be written into the folder {folder}: {reason_of(error)}.", "Choose another folder."
        ) from error


def cannot_write(path: Path, error: OSError, hint: str = _HINT) -> OutputError:
    """Returns the error for a file or folder that cannot be written."""
    return OutputError(f"{path} cannot be written: {reason_of(error)}.", hint)


def hidden_name(path: Path) -> str:
    """Returns the start of all names that nsp uses beside a result: hidden, short, different per result."""
    return f"{_PREFIX}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Makes an empty folder that only this user can read, and removes it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="nsp-") as name:
        folder = Path(name)
        _unfinished.add(folder)
        try:
            yield folder
        finally:
            _unfinished.discard(folder)


@contextmanager
def marked(folder: Path) -> Iterator[Path]:
    """Makes an empty hidden file while the block runs, so that another machine can tell if it has the folder.

    Raises:
        OutputError: Nothing can be written there.
    """
    path = folder / f"{_PREFIX}shared-{secrets.token_hex(8)}"
    _unfinished.add(path)
    try:
        try:
            path.touch(exist_ok=False)
        except OSError as error:
            raise cannot_write(folder, error) from error
        yield path
    finally:
        with suppress(OSError):
            path.unlink()
        _unfinished.discard(path)


def remove_unfinished() -> None:
    """Removes what this process has not finished. It must end at once, and nothing else may run in it."""
    for path in list(_unfinished):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_leftovers(path: Path) -> None:
    """Removes temporary files that a killed process left of a result. No other process may be writing it."""
    _remove(path.parent, f"{hidden_name(path)}-*")


def remove_all_leftovers(folder: Path) -> None:
    """Removes temporary files of all results in a folder. No other process may be writing there."""
    _remove(folder, f"{_PREFIX}*-*")


def _remove(folder: Path, pattern: str) -> None:
    for left in folder.glob(pattern):
        with suppress(OSError):
            left.unlink()


def _move(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # fails if `path` exists: check and move in one step
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:  # no hard links on this file system, such as exFAT
        if os.path.lexists(path):
            raise _exists(path) from error
        temporary.rename(path)


def _exists(path: Path) -> OutputError:
    return OutputError(
        f"{path} already exists and was not replaced.", "Use --overwrite, or choose another name."
    )


@dataclass(frozen=True, eq=False)
class Claim:
    """The right to make one result. The system takes it back when the process ends, however it ends."""

    _lock: FileLock | None = None

    def release(self) -> None:
        """Lets other processes claim the result."""
        if self._lock is None:
            return
        # Removed while it is held, so that another process's lock file is never removed.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
        _unfinished.discard(Path(self._lock.lock_file))
        self._lock.release()


def claim(target: Path) -> Claim | None:
    """Claims a result in an existing folder, so that several nsp processes can share a folder's work.

    On file systems without locks every process gets the claim: results are still whole, but some are
    made twice.

    Returns:
        The claim, or None if another process has it.

    Raises:
        OutputError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = target.with_name(f"{hidden_name(target)}.lock")
    lock, was_killed = FileLock(path, thread_local=False), path.exists()
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError:
        return Claim()
    except OSError as error:
        raise cannot_write(target, error) from error
    _unfinished.add(path)
    if was_killed:  # else its lock file would have been removed
        remove_leftovers(target)
    return Claim(lock)


def file_sha256(path: Path) -> str:
    """Returns a file's sha256 in lower-case hex. The file is read in pieces.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
