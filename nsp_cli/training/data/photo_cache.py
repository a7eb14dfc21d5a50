"""Decodes a run's photos once into plain arrays on disk, which are mapped and never read whole.

So a run takes the same memory with one photo and with ten thousand.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from nsp_cli.errors import TrainingError
from nsp_cli.files import cannot_write, remove_all_leftovers, replacing
from nsp_cli.ops.pixel_array import Pixels

# Most that decoded photos may take on disk; of larger folders each photo gives a window.
MOST_BYTES = 20 * 10**9
_HINT = "Free some space, or set NSP_CACHE_DIR to a folder on another disk."
_STALE_SECONDS = 7 * 24 * 3600


class PhotoCache:
    """A folder of decoded photos that belongs to one run and is found again when the run is resumed.

    Attributes:
        folder: Where the arrays lie.
        limit: Bytes that they may take together: 20 GB, or half of what is free on the disk.
    """

    def __init__(self, run: Path, *, machine: int = 0, root: Path | None = None, share: float = 1.0) -> None:
        """Opens the cache of the run that writes the weights file `run`, and removes forgotten ones.

        Args:
            run: Tells runs apart.
            machine: Tells a run's machines apart, which may share a disk.
            root: Holds the caches of all runs; None for the place that the system provides.
            share: Of the limit that the decoded photos themselves may take.

        Raises:
            OutputError: The folder cannot be made.
        """
        root = root or default_root()
        key = os.fsencode(run.resolve()) + (b"\0%d" % machine if machine else b"")
        self.folder = root / hashlib.sha256(key).hexdigest()[:16]
        _remove_stale(root)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.utime(self.folder)
            free = shutil.disk_usage(self.folder).free + _size(self.folder)
            self.limit = int(min(MOST_BYTES, free // 2) * share)
        except OSError as error:
            raise cannot_write(self.folder, error, _HINT) from error
        remove_all_leftovers(self.folder)

    def store(self, name: str, pixels: Pixels) -> Path:
        """Writes an array, whole or not at all, and returns its file.

        Raises:
            OutputError: The disk is full or not writable.
        """
        path = self.path(name)
        with replacing(path, hint=_HINT) as file:
            np.save(file, pixels)
            _mapped.cache_clear()  # the file that is replaced may be mapped
        return path

    def touch(self) -> None:
        """Keeps other runs from taking this one for forgotten; to be called now and then."""
        with suppress(OSError):  # where it is gone, the next read says so
            os.utime(self.folder)

    def path(self, name: str) -> Path:
        """Names the file of an array."""
        return self.folder / f"{name}.npy"

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Returns the shape of a stored array, also of an earlier start; None if there is no sound one."""
        try:
            return tuple(np.load(self.path(name), mmap_mode="r").shape)
        except (OSError, ValueError, EOFError):
            return None

    def discard(self) -> None:
        """Gives the disk space back; to be called when the run is finished."""
        _mapped.cache_clear()  # Windows removes no file that is mapped
        shutil.rmtree(self.folder, ignore_errors=True)


def read_window(path: Path, top: int, left: int, height: int, width: int) -> Pixels:
    """Copies a window (height, width, 3) out of a stored array; nothing else is read from disk.

    Raises:
        TrainingError: The cache was removed while the run used it.
    """
    try:
        mapped = _mapped(path)
    except OSError as error:
        raise TrainingError(
            f"{path}: a decoded photo is gone from the cache ({error.strerror})",
            "Run the same command with --resume: it decodes the photos again.",
        ) from error
    return np.array(mapped[top : top + height, left : left + width])


# A run draws from the same files thousands of times; opening one takes longer than copying a crop.
@lru_cache(maxsize=512)
def _mapped(path: Path) -> NDArray[Any]:
    # A plain array's slices are made faster than a memmap's.
    mapped: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return mapped


def default_root() -> Path:
    """Returns the folder that holds the caches of all runs."""
    given = os.environ.get("NSP_CACHE_DIR")
    return (Path(given) if given else platformdirs.user_cache_path("nsp", appauthor=False)) / "decoded"


def _remove_stale(root: Path) -> None:
    if not root.is_dir():
        return
    for folder in root.iterdir():
        if folder.is_dir() and time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
