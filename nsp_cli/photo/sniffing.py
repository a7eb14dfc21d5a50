"""What every photo format shares on disk: checks before reading, and writing that leaves all or nothing."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nsp_cli.errors import InputError, OutputError

_SIGNATURES = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
}
# Brands of ISO base media files. AVIF first: it names HEIF's general ones beside its own.
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}
_FOREIGN = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"v/1\x01": "an OpenEXR picture",
}
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
            f"{path} cannot be opened: {_reason(error)}.", "Check its name and permissions."
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


def sniff_format(path: Path) -> str | None:
    """Tells "jpeg", "png", "tiff", "webp", "avif" or "heif" by the first bytes; None for all others."""
    head = read_head(path)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _by_brand(head[: int.from_bytes(head[:4], "big")])
    return next((name for magic, name in _SIGNATURES.items() if head.startswith(magic)), None)


def _by_brand(box: bytes) -> str | None:
    brands = {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
    return "avif" if brands & _AVIF else "heif" if brands & _HEIF else None


def read_head(path: Path) -> bytes:
    """Returns the first 64 bytes, or fewer where the file ends before."""
    with path.open("rb") as file:
        return file.read(64)


def unsupported(path: Path) -> InputError:
    """Makes the error for a file that is no photo of ours, naming what it is where that is known."""
    head = read_head(path)
    if head[4:8] == b"ftyp":
        kind = "a video"
    else:
        kind = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), "not a photo")
    supported = "JPEG, PNG, TIFF, WebP, HEIC, AVIF and camera RAW can be read"
    return InputError(
        f"{path} is {kind} file." if kind != "not a photo" else f"{path} is not a photo.", f"{supported}."
    )


def damaged(path: Path, kind: str, reason: object) -> InputError:
    """Makes the error for a file whose content breaks its own format or ends too early."""
    return InputError(f"{path} cannot be read as {kind}: {_reason(reason)}.", _DAMAGED_HINT)


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


def check_target(path: Path, *, source: Path | None, overwrite: bool) -> None:
    """Refuses a place where a result must not go; call it before hours of work, not only after.

    Raises:
        OutputError: The folder is missing, the path is a folder, is the input itself (also through a
            link), exists and `overwrite` is False, or has a name that the file system does not take.
    """
    try:
        if not path.parent.is_dir():
            raise OutputError(f"The folder {path.parent} does not exist.", "Create it first.")
        if path.is_dir():
            raise OutputError(f"{path} is a folder; a file name is needed.", "Add a file name.")
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{path} is the input itself, which is never written.", "Choose another name.")
        if not overwrite and os.path.lexists(path):
            raise _exists(path)
    except OSError as error:
        hint = "Choose a shorter name or another folder with -o."
        raise OutputError(f"{path} cannot be written: {_reason(error)}.", hint) from error


def hidden_name(path: Path) -> str:
    """Returns how names of what is made beside a result begin: hidden, short, and other for every result."""
    return f".nsp-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}"


def remove_leftovers(path: Path) -> None:
    """Removes temporary files that a killed process left of a result; nobody else may be writing it."""
    for left in path.parent.glob(f"{hidden_name(path)}-*"):
        with suppress(OSError):
            left.unlink()


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and moves it there when the block ends well.

    Whatever goes wrong, Ctrl-C included, the temporary file is gone afterwards and `path` is as it was.
    The file is read-write, so that an encoder may go back.

    Raises:
        OutputError: Disk full, no permission, or `path` appeared meanwhile and `overwrite` is False.
    """
    # Not tempfile: its files are readable by the owner alone, and the result would stay so.
    temporary = path.with_name(f"{hidden_name(path)}-{secrets.token_hex(4)}{path.suffix[:10]}")
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
    except OSError as error:
        hint = "Check free space and permissions, or choose another folder."
        raise OutputError(f"{path} cannot be written: {_reason(error)}.", hint) from error


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
        f"{path} exists already and was left alone.", "Allow it with --overwrite, or choose another name."
    )


def _reason(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
