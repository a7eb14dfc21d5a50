"""Claims on results, so that several nsp processes share a folder's work."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from nsp_cli.errors import OutputError
from nsp_cli.photo import hidden_name, remove_leftovers


@dataclass(frozen=True, eq=False)
class Claim:
    """The right to make one result; the system takes it back when the process ends, however it ends."""

    _lock: FileLock | None = None

    def release(self) -> None:
        """Lets others have it."""
        if self._lock is None:
            return
        # While it is held, so that nobody else's is removed.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()


def claim(target: Path) -> Claim | None:
    """Claims a result in an existing folder; None where another process has it.

    On file systems that cannot lock, everybody gets a claim: results are still whole, some made twice.

    Raises:
        OutputError: The folder cannot be written.
    """
    path = target.with_name(f"{hidden_name(target)}.lock")
    lock, was_killed = FileLock(path, thread_local=False), path.exists()
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError:
        return Claim()
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Check free space and permissions, or choose another folder with -o.",
        ) from error
    if was_killed:  # else the lock would have been removed
        remove_leftovers(target)
    return Claim(lock)
