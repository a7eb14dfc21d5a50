"""Photos from files and to files, with what must survive: depth, colour profile, EXIF, XMP, alpha."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from nsp_cli.errors import OutputError
from nsp_cli.photo import jpeg, webp
from nsp_cli.photo.colour import srgb_pixels, srgb_profile
from nsp_cli.photo.data import FORMAT_SUFFIXES, Photo, Pixels, to_bit_depth
from nsp_cli.photo.disk import check_readable, check_target, replacing, sniff_format, unsupported
from nsp_cli.photo.facts import CameraFacts, camera_facts
from nsp_cli.photo.jpeg import jpeg_bytes, jpeg_round_trip, read_jpeg, write_jpeg
from nsp_cli.photo.metadata import clean_exif, exif_dpi, orientation_of, set_orientation, set_size
from nsp_cli.photo.png import png_bytes, read_png, write_png
from nsp_cli.photo.provenance import Provenance, read_provenance, with_provenance
from nsp_cli.photo.raw import RAW_SUFFIXES, is_raw, read_raw
from nsp_cli.photo.size import photo_size
from nsp_cli.photo.tiff import read_tiff, write_tiff
from nsp_cli.photo.webp import read_webp, write_webp

__all__ = [
    "EIGHT_BIT_FORMATS",
    "FORMAT_SUFFIXES",
    "PHOTO_SUFFIXES",
    "RAW_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "CameraFacts",
    "Photo",
    "Pixels",
    "Provenance",
    "camera_facts",
    "check_readable",
    "check_writable",
    "copy_photo",
    "format_of",
    "jpeg_bytes",
    "jpeg_round_trip",
    "photo_size",
    "png_bytes",
    "read_photo",
    "read_provenance",
    "srgb_pixels",
    "to_bit_depth",
    "with_provenance",
    "write_photo",
]

WRITABLE_SUFFIXES = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
PHOTO_SUFFIXES = RAW_SUFFIXES | WRITABLE_SUFFIXES.keys()
_READERS = {"jpeg": read_jpeg, "png": read_png, "tiff": read_tiff, "webp": read_webp}
_LOSSY_WRITERS = {"jpeg": write_jpeg, "webp": write_webp}
_LOSSLESS_WRITERS = {"png": write_png, "tiff": write_tiff}
EIGHT_BIT_FORMATS = ("jpeg", "webp")
_LONGEST_SIDES = {"jpeg": jpeg.LONGEST_SIDE, "webp": webp.LONGEST_SIDE}


def read_photo(path: Path, *, max_megapixels: float = 250) -> Photo:
    """Reads a photo upright, by its content and not by its suffix, at the depth the file has.

    What had to be changed or could not be kept stands in `notes`.

    Args:
        max_megapixels: Larger photos are refused before any pixel is decoded.

    Raises:
        InputError: Missing, a folder, empty, not a photo, several pictures, an unsupported kind, damaged,
            truncated or too large.
    """
    check_readable(path)
    if is_raw(path):
        image = read_raw(path, max_megapixels)
        photo = Photo(image.pixels, format="raw", icc_profile=srgb_profile(), exif=image.exif)
    else:
        file_format = sniff_format(path)
        if file_format is None:
            raise unsupported(path)
        photo = _READERS[file_format](path, max_megapixels)
    return dataclasses.replace(_upright(_with_clean_exif(photo)), source=path)


def _with_clean_exif(photo: Photo) -> Photo:
    exif, is_readable = clean_exif(photo.exif)
    dpi = photo.dpi or exif_dpi(exif)
    cleaned = dataclasses.replace(
        photo, exif=exif, dpi=dpi, xmp=photo.xmp or None, icc_profile=photo.icc_profile or None
    )
    return cleaned if is_readable else cleaned.with_notes("EXIF is damaged and not kept")


def _upright(photo: Photo) -> Photo:
    """Turns the pixels as EXIF says, and then lets EXIF and XMP say that nothing is to be turned.

    So every program shows the result alike, whether it obeys the tag, ignores it or obeys XMP only.
    An orientation in XMP alone is left as it is, unapplied: whoever obeyed it before still does.
    """
    orientation = orientation_of(photo.exif)
    if orientation == 1:
        return photo
    exif, xmp = set_orientation(photo.exif, photo.xmp)
    dpi = photo.dpi[::-1] if photo.dpi is not None and orientation >= 5 else photo.dpi
    return dataclasses.replace(
        photo,
        pixels=_turned(photo.pixels, orientation),
        alpha=None if photo.alpha is None else _turned(photo.alpha, orientation),
        exif=exif,
        xmp=xmp,
        dpi=dpi,
    )


def _turned(image: Pixels, orientation: int) -> Pixels:
    """Applies an EXIF orientation: 1 to 4 keep the axes, 5 to 8 swap them first."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def format_of(path: Path) -> str:
    """Returns the format that a suffix asks for: "jpeg", "png", "tiff" or "webp".

    Raises:
        OutputError: The suffix is none that can be written.
    """
    try:
        return WRITABLE_SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise OutputError(
            f"{path} has no suffix that can be written.",
            f"Use one of {', '.join(sorted(WRITABLE_SUFFIXES))}.",
        ) from None


def check_writable(photo: Photo, path: Path, *, overwrite: bool = False, scale: int = 1) -> None:
    """Refuses what `write_photo` would refuse, so that hours of work are not spent in vain.

    Args:
        scale: How many times larger per axis the result will be than `photo`.

    Raises:
        OutputError: The place must not be written, or the format cannot hold the photo's depth,
            transparency or size.
    """
    file_format = format_of(path)
    check_target(path, source=photo.source, overwrite=overwrite)
    name = {"jpeg": "JPEG", "webp": "WebP"}.get(file_format, file_format.upper())
    if file_format in EIGHT_BIT_FORMATS and photo.bit_depth != 8:
        raise OutputError(f"{path}: {name} cannot hold 16 bits.", "Add --bit-depth 8, or use --format tiff.")
    if file_format == "jpeg" and photo.alpha is not None and photo.alpha.min() < 255:
        raise OutputError(f"{path}: JPEG cannot hold transparency.", "Use --format png, tiff or webp.")
    longest = max(photo.height, photo.width) * scale
    if longest > _LONGEST_SIDES.get(file_format, longest):
        raise OutputError(
            f"{path}: {name} ends at {_LONGEST_SIDES[file_format]} pixels a side; this photo has {longest}.",
            "Use --format tiff or png.",
        )


def write_photo(photo: Photo, path: Path, *, quality: int = 95, overwrite: bool = False) -> None:
    """Writes a photo whole or not at all, in the format of the suffix and the depth of the pixels.

    EXIF and XMP fields that state the size are set to the photo's. Opaque alpha is dropped in a JPEG.

    Args:
        quality: 1 to 100, for JPEG and WebP; 100 makes WebP lossless. Others are lossless always.
        overwrite: An existing file may be replaced. `photo.source` never is.

    Raises:
        OutputError: As `check_writable`; also disk full, no permission, EXIF too long for a JPEG.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, not {quality}")
    check_writable(photo, path, overwrite=overwrite)
    exif, xmp = set_size(photo.exif, photo.xmp, photo.height, photo.width)
    sized = dataclasses.replace(photo, exif=exif, xmp=xmp)
    file_format = format_of(path)
    if file_format == "jpeg":
        sized = dataclasses.replace(sized, alpha=None)
    with replacing(path, overwrite=overwrite) as file:
        if file_format in _LOSSY_WRITERS:
            _LOSSY_WRITERS[file_format](sized, file, quality)
        else:
            _LOSSLESS_WRITERS[file_format](sized, file)


def copy_photo(source: Path, path: Path, *, overwrite: bool = False) -> None:
    """Copies a photo's file byte for byte, whole or not at all.

    Raises:
        OutputError: As `write_photo`.
    """
    check_target(path, source=source, overwrite=overwrite)
    with source.open("rb") as original, replacing(path, overwrite=overwrite) as file:
        shutil.copyfileobj(original, file)
