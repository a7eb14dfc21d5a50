"""Photos from files and to files, with what must survive: depth, colour profile, EXIF, XMP, alpha."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from nsp_cli.errors import InputError, OutputError
from nsp_cli.files import check_target, replacing
from nsp_cli.photo.check.verify import Written, verify_written
from nsp_cli.photo.colour import srgb_pixels
from nsp_cli.photo.formats import avif, dng, jpeg, png, webp
from nsp_cli.photo.formats.avif import read_avif, write_avif
from nsp_cli.photo.formats.dng import write_dng
from nsp_cli.photo.formats.heif import read_heif
from nsp_cli.photo.formats.jpeg import jpeg_bytes, read_jpeg, write_jpeg
from nsp_cli.photo.formats.png import png_bytes, read_png, write_png
from nsp_cli.photo.formats.raw import RAW_SUFFIXES, RawOptions, is_raw, read_raw
from nsp_cli.photo.formats.tiff import read_tiff
from nsp_cli.photo.formats.tiff_writing import write_tiff
from nsp_cli.photo.formats.webp import read_webp, write_webp
from nsp_cli.photo.metadata.camera_facts import CameraFacts, camera_facts
from nsp_cli.photo.metadata.heif_boxes import stored_depth
from nsp_cli.photo.metadata.iptc import RESOURCES_DAMAGED, clean_resources
from nsp_cli.photo.metadata.patching import (
    EXIF_DAMAGED,
    clean_exif,
    exif_dpi,
    orientation_of,
    set_orientation,
    set_size,
)
from nsp_cli.photo.photo import FORMAT_SUFFIXES, Photo, Pixels, to_bit_depth
from nsp_cli.photo.provenance import Provenance, read_provenance, with_provenance
from nsp_cli.photo.sheet import labelled_sheet
from nsp_cli.photo.size import photo_size
from nsp_cli.photo.sniffing import check_readable, sniff_format, unsupported

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
    "RawOptions",
    "Written",
    "camera_facts",
    "check_readable",
    "check_writable",
    "copy_photo",
    "format_of",
    "jpeg_bytes",
    "labelled_sheet",
    "photo_size",
    "png_bytes",
    "read_photo",
    "read_provenance",
    "result_suffix",
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
    ".avif": "avif",
    ".dng": "dng",
}
_HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
PHOTO_SUFFIXES = RAW_SUFFIXES | _HEIF_SUFFIXES | WRITABLE_SUFFIXES.keys()
_READERS = {
    "jpeg": read_jpeg,
    "png": read_png,
    "tiff": read_tiff,
    "webp": read_webp,
    "avif": read_avif,
    "heif": read_heif,
}
_LOSSY_WRITERS = {"jpeg": write_jpeg, "webp": write_webp, "avif": write_avif}
_LOSSLESS_WRITERS = {"png": write_png, "tiff": write_tiff, "dng": write_dng}
EIGHT_BIT_FORMATS = ("jpeg", "webp", "avif")
_LONGEST_SIDES = {
    "jpeg": jpeg.LONGEST_SIDE,
    "png": png.LONGEST_SIDE,
    "webp": webp.LONGEST_SIDE,
    "avif": avif.LONGEST_SIDE,
}


def read_photo(path: Path, *, max_megapixels: float = 250, raw: RawOptions | None = None) -> Photo:
    """Reads a photo upright, by its content and not by its suffix, at the depth the file has.

    What had to be changed or could not be kept stands in `notes`.

    Args:
        max_megapixels: Larger photos are refused before any pixel is decoded.
        raw: How camera RAW is developed; other photos note that it does not apply.

    Raises:
        InputError: Missing, a folder, empty, not a photo, several pictures, an unsupported kind, damaged,
            truncated or too large.
    """
    check_readable(path)
    try:
        photo = _read(path, max_megapixels, raw)
        return dataclasses.replace(_upright(_with_clean_facts(photo)), source=path)
    except MemoryError as error:
        hint = "Close other programs, or make the photo smaller elsewhere first."
        raise InputError(f"{path} needs more memory than there is.", hint) from error


def _read(path: Path, max_megapixels: float, raw: RawOptions | None) -> Photo:
    if is_raw(path):
        return read_raw(path, max_megapixels, raw or RawOptions())
    file_format = sniff_format(path)
    if file_format is None:
        raise unsupported(path)
    photo = _READERS[file_format](path, max_megapixels)
    if raw not in (None, RawOptions()):
        photo = photo.with_notes("no camera RAW: its options do not apply")
    return photo


def _with_clean_facts(photo: Photo) -> Photo:
    exif, is_exif_readable = clean_exif(photo.exif)
    resources, are_resources_readable = clean_resources(photo.resources)
    notes = [] if is_exif_readable else [EXIF_DAMAGED]
    notes += [] if are_resources_readable else [RESOURCES_DAMAGED]
    return dataclasses.replace(
        photo,
        exif=exif,
        resources=resources,
        dpi=photo.dpi or exif_dpi(exif),
        xmp=photo.xmp or None,
        icc_profile=photo.icc_profile or None,
    ).with_notes(*notes)


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
    """Returns the format that a suffix asks for: "jpeg", "png", "tiff", "webp", "avif" or "dng".

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


def result_suffix(photo: Path) -> str:
    """Returns the suffix of a result where no format is asked for: the photo's own if it can hold the result.

    Camera RAW becomes TIFF. HEIC, which cannot be written, becomes JPEG, and above 8 bits TIFF, as AVIF does.
    """
    suffix = photo.suffix.lower()
    if suffix in (".avif", *_HEIF_SUFFIXES):
        return ".tif" if stored_depth(photo) > 8 else ".avif" if suffix == ".avif" else ".jpg"
    is_kept = suffix in WRITABLE_SUFFIXES and suffix not in RAW_SUFFIXES
    return photo.suffix if is_kept else FORMAT_SUFFIXES["raw"]


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
    if file_format == "dng":
        dng.check(photo, path, scale)
    longest = max(photo.height, photo.width) * scale
    if longest > _LONGEST_SIDES.get(file_format, longest):
        raise OutputError(
            f"{path}: {name} ends at {_LONGEST_SIDES[file_format]} pixels a side; this photo has {longest}.",
            "Use --format tiff.",
        )


def write_photo(photo: Photo, path: Path, *, quality: int = 95, overwrite: bool = False) -> Written:
    """Writes a photo whole or not at all, in the format of the suffix and the depth of the pixels.

    EXIF and XMP fields that state the size are set to the photo's. Opaque alpha is dropped in a JPEG.
    The file is read again before it appears: it must say what the photo says, and what the file at
    `photo.source` says. To leave something out on purpose, set `source` to None as well.

    Args:
        quality: 1 to 100, for JPEG, WebP and AVIF; 100 makes WebP lossless. Others are lossless always.
        overwrite: An existing file may be replaced. `photo.source` never is.

    Raises:
        OutputError: As `check_writable`; also disk full, no permission, EXIF too long for a JPEG, or
            something of the metadata would be lost.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, not {quality}")
    check_writable(photo, path, overwrite=overwrite)
    exif, xmp = set_size(photo.exif, photo.xmp, photo.height, photo.width)
    sized = dataclasses.replace(photo, exif=exif, xmp=xmp, dpi=photo.dpi or exif_dpi(exif))
    file_format = format_of(path)
    if file_format == "jpeg":
        sized = dataclasses.replace(sized, alpha=None)
    with replacing(path, overwrite=overwrite) as file:
        if file_format in _LOSSY_WRITERS:
            _LOSSY_WRITERS[file_format](sized, file, quality)
        else:
            _LOSSLESS_WRITERS[file_format](sized, file)
        file.flush()
        return verify_written(sized, path, file, file_format)


def copy_photo(source: Path, path: Path, *, overwrite: bool = False) -> None:
    """Copies a photo's file byte for byte, whole or not at all.

    Raises:
        OutputError: As `write_photo`.
    """
    check_target(path, source=source, overwrite=overwrite)
    with source.open("rb") as original, replacing(path, overwrite=overwrite) as file:
        shutil.copyfileobj(original, file)
