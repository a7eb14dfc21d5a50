"""Checks of photo files before they are read: what a file is, and whether it may be opened."""

from __future__ import annotations

import stat
from pathlib import Path

from nsp_cli.errors import InputError, reason_of

_DAMAGED_HINT = "Copy it again from the camera or a backup; if no program opens it, it is damaged."


def check_readable(path: Path) -> None:
    """Refuses what cannot be a photo before any decoder sees it.

    Raises:
        InputError: Missing, a folder, not a plain file, empty, or not allowed to be read.
    """
    try:
        status = path.stat()
        _check_regular(path, status.st_mode)
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", "Check the spelling and the folder.") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened: {reason_of(error)}.", "Check its name and permissions."
        ) from error
    if status.st_size == 0:
        raise InputError(f"{path} is empty (0 bytes).", _DAMAGED_HINT)


def _check_regular(path: Path, mode: int) -> None:
    """Refuses folders, and what would wait for data or never end: pipes, sockets, devices."""
    if stat.S_ISDIR(mode):
        raise InputError(
            f"{path} is a folder, not a photo.", "Name a file, or a folder where folders are allowed."
        )
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is a pipe, socket or device, not a file.", "Save it to a file first.")


def read_head(path: Path) -> bytes:
    """Returns the first 64 bytes, or fewer where the file ends before."""
    with path.open("rb") as file:
        return file.read(64)


def damaged(path: Path, kind: str, reason: object) -> InputError:
    """Makes the error for a file whose content breaks its own format or ends too early."""
    return InputError(f"{path} cannot be read as {kind}: {reason_of(reason)}.", _DAMAGED_HINT)


def check_size(path: Path, height: int, width: int, max_megapixels: float) -> None:
    """Refuses a photo by its declared size, before memory is spent on it.

    Raises:
        InputError: More than `max_megapixels` million pixels, or no pixels at all.
    """
    if height < 1 or width < 1:
        raise damaged(path, "a photo", f"it declares {width} x {height} pixels")
    megapixels = height * width / 1e6
    if megapixels > max_megapixels:
        raise InputError(
            f"{path} has {megapixels:.4g} megapixels ({width} x {height}); the limit is {max_megapixels:g}.",
            f"If memory allows, raise it: --max-megapixels {int(megapixels) + 1}",
        )
