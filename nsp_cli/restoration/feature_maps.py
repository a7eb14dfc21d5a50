"""Where a picture's feature maps lie: on the device, in main memory, or in a temporary file."""

from __future__ import annotations

import math
import os
import shutil
import tempfile

import numpy as np
import torch
from torch import Tensor

from nsp_cli.device import free_memory
from nsp_cli.errors import DeviceError

# Share of the free memory that the maps may take. Tiles and the photo need some too.
_SHARE = 0.5
_CPU = torch.device("cpu")


def place_for(maps: int, device: torch.device) -> torch.device | None:
    """Where maps of so many bytes fit: the device, main memory, or None, a temporary file.

    Raises:
        DeviceError: They fit nowhere.
    """
    for place in (device, _CPU):
        if maps <= free_memory(place) * _SHARE:
            return place
    folder = tempfile.gettempdir()
    if maps > shutil.disk_usage(folder).free:
        raise _too_large(maps, folder)
    return None


def empty_map(shape: tuple[int, ...], place: torch.device | None) -> Tensor:
    """Uninitialised float32 at a place from `place_for`.

    Raises:
        DeviceError: The temporary file does not fit on its disk.
    """
    return _in_temporary_file(shape) if place is None else torch.empty(shape, device=place)


def _in_temporary_file(shape: tuple[int, ...]) -> Tensor:
    """Uninitialised float32 in a file that the system deletes with the last reference to it."""
    values = math.prod(shape)
    with tempfile.TemporaryFile() as file:
        try:
            # Else a full disk would kill the process when a page is written.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, 4 * values)
            return torch.from_numpy(np.memmap(file, dtype=np.float32, mode="w+", shape=shape))
        except OSError as error:
            raise _too_large(4 * values, tempfile.gettempdir()) from error


def _too_large(maps: int, folder: str) -> DeviceError:
    return DeviceError(
        f"This photo's features need {maps / 1e9:.1f} GB, in memory or in {folder}.",
        "Close other programs, set TMPDIR to a folder with more space, or choose another --model.",
    )
