"""Cache of decoded photos: arrays on disk that are mapped into memory and never read whole.

A run therefore needs the same memory for one photo and for ten thousand.
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

# Largest size of the decoded photos on disk. From larger folders, only a window of each photo is kept.
MOST_BYTES = 20 * 10**9
_HINT = "Free some space, or set NSP_CACHE_DIR to a folder on another disk."
_STALE_SECONDS = 7 * 24 * 3600


class PhotoCache:
    """A folder of decoded photos for one run, which a resumed run finds again.

    Attributes:
        folder: Folder of the arrays.
        limit: Largest total size in bytes: 20 GB or half of the free disk space.
        is_touched: Whether a checkpoint was written that needs the cache.
    """

    def __init__(self, run: Path, *, machine: int = 0, root: Path | None = None, share: float = 1.0) -> None:
        """Opens the cache of a run, and removes abandoned caches.

        Args:
            run: Weights file that the run writes; identifies the run.
            machine: Number of this machine; machines that share a disk need separate caches.
            root: Folder for the caches of all runs; None for the user's cache folder.
            share: Share of the limit that the decoded photos themselves may use.

        Raises:
            OutputError: The folder cannot be made.
        """
        root = root or default_root()
        key = os.fsencode(run.resolve()) + (b"\0%d" % machine if machine else b"")
        self.is_touched = False
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
        """Marks the cache as used, so that other runs do not remove it. Call it after each checkpoint."""
        self.is_touched = True
        with suppress(OSError):  # if the folder is gone, the next read reports it
            os.utime(self.folder)

    def path(self, name: str) -> Path:
        """File of an array."""
        return self.folder / f"{name}.npy"

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a stored array, possibly from an earlier start; None if it is missing or damaged."""
        try:
            return tuple(np.load(self.path(name), mmap_mode="r").shape)
        except (OSError, ValueError, EOFError):
            return None

    def discard(self) -> None:
        """Frees the disk space. Call it when the run is finished."""
        _mapped.cache_clear()  # Windows does not remove mapped files
        shutil.rmtree(self.folder, ignore_errors=True)


def read_window(path: Path, top: int, left: int, height: int, width: int) -> Pixels:
    """Window (height, width, …) of a stored array; only this part is read from disk.

    Raises:
        TrainingError: The cache was removed during the run.
    """
    try:
        mapped = _mapped(path)
    except OSError as error:
        raise TrainingError(
            f"{path} is gone from the cache of decoded photos: {error.strerror}.",
            "Run the same command with --resume; it decodes the photos again.",
        ) from error
    return np.array(mapped[top : top + height, left : left + width])


# A run reads each file thousands of times, and opening it takes longer than copying a crop.
@lru_cache(maxsize=512)
def _mapped(path: Path) -> NDArray[Any]:
    # Slicing a plain array is faster than slicing a memmap.
    mapped: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return mapped


def default_root() -> Path:
    """Folder for the caches of all runs."""
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
