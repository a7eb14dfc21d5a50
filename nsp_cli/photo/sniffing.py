"""Checks of photo files before they are read: what a file is, and whether it may be opened."""

from __future__ import annotations

import stat
from pathlib import Path

from nsp_cli.errors import InputError, reason_of

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
