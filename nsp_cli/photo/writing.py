"""Photos to files."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nsp_cli.errors import OutputError
from nsp_cli.files import check_target, replacing
from nsp_cli.photo.check.verify import Written, verify_written
from nsp_cli.photo.formats.registry import SPECS, format_of
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata.blocks import GAIN_MAP, VIDEO
from nsp_cli.photo.metadata.patching import exif_dpi, set_size
from nsp_cli.photo.metadata.promises import without_promises
from nsp_cli.photo.photo import Photo


def check_writable(photo: Photo, path: Path, *, overwrite: bool = False, scale: int = 1) -> None:
    """Refuses what `write_photo` would refuse, so that hours of work are not spent in vain.

    Args:
        photo: The photo, before or after the work.
        path: File of the result.
        overwrite: Whether an existing file may be replaced.
        scale: How many times wider and higher than `photo` the result will be.

    Raises:
        OutputError: The file must not be written, or the format cannot hold the photo's depth,
            transparency or size.
    """
    spec = SPECS[format_of(path)]
    check_target(path, source=photo.source, overwrite=overwrite)
    if not spec.is_available:
        raise OutputError(f"{path}: {spec.label} needs {spec.library}.", spec.install_hint)
    if spec.depths == (8,) and photo.bit_depth != 8:
        raise OutputError(
            f"{path}: {spec.label} cannot hold 16 bits.", "Add --bit-depth 8, or use --format tiff."
        )
    if not spec.has_alpha and _is_transparent(photo):
        able = [other.name for other in SPECS.values() if other.is_written and other.has_alpha]
        raise OutputError(
            f"{path}: {spec.label} cannot hold transparency.", f"Use another --format: {', '.join(able)}."
        )
    if spec.check_photo is not None:
        spec.check_photo(photo, path, scale)
    longest = max(photo.height, photo.width) * scale
    if spec.longest_side is not None and longest > spec.longest_side:
        raise OutputError(
            f"{path}: {spec.label} holds at most {spec.longest_side} pixels a side, not {longest}.",
            "Use --format tiff.",
        )


def _is_transparent(photo: Photo) -> bool:
    return photo.alpha is not None and bool(photo.alpha.min() < np.iinfo(photo.alpha.dtype).max)


def write_photo(photo: Photo, path: Path, *, quality: int = 95, overwrite: bool = False) -> Written:
    """Writes a photo whole or not at all, in the format of the suffix and the depth of the pixels.

    EXIF and XMP fields that state the size are set to the photo's. Opaque alpha is dropped where the format
    holds no transparency. The file is read again before it appears: it must say what the photo says, and
    what the file at `photo.source` says. To leave something out on purpose, set `source` to None as well.

    Args:
        photo: The photo.
        path: File of the result.
        quality: 1 to 100, for lossy formats; 100 makes WebP lossless. Other formats ignore it.
        overwrite: Whether an existing file may be replaced. `photo.source` never is.

    Raises:
        OutputError: As `check_writable`; also if the disk is full, permissions are missing, a block of
            metadata is too long for the format, or some metadata would be lost.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, not {quality}")
    check_writable(photo, path, overwrite=overwrite)
    exif, xmp = set_size(photo.exif, photo.xmp, photo.height, photo.width)
    sized = dataclasses.replace(photo, exif=exif, xmp=xmp, dpi=photo.dpi or exif_dpi(exif))
    spec = SPECS[format_of(path)]
    sized = dataclasses.replace(sized, xmp=without_promises(sized.xmp, _attached(spec, sized)))
    if not spec.has_alpha:
        sized = dataclasses.replace(sized, alpha=None)
    with replacing(path, overwrite=overwrite) as file:
        _encode(spec, _without_stated_profile(spec, sized), file, quality)
        file.flush()
        return verify_written(sized, path, file, spec.name)


def _attached(spec: FormatSpec, photo: Photo) -> frozenset[str]:
    """Returns the kinds of what a file will hold of what its XMP may promise: a gain map and a video."""
    kinds = {extra.kind for extra in photo.extras if extra.kind in (GAIN_MAP, VIDEO)}
    return spec.metadata.holds & kinds


def _without_stated_profile(spec: FormatSpec, photo: Photo) -> Photo:
    """Leaves out the profile that only repeats what the file says of its colours in another way."""
    stated = spec.metadata.stated_profile
    if stated is None or stated(photo) != photo.icc_profile:
        return photo
    return dataclasses.replace(photo, icc_profile=None)


def _encode(spec: FormatSpec, photo: Photo, file: BinaryIO, quality: int) -> None:
    if spec.write_lossy is not None:
        spec.write_lossy(photo, file, quality)
    elif spec.write is not None:
        spec.write(photo, file)


def copy_photo(source: Path, path: Path, *, overwrite: bool = False) -> None:
    """Copies a photo's file byte for byte, whole or not at all.

    Raises:
        OutputError: As `write_photo`.
    """
    check_target(path, source=source, overwrite=overwrite)
    with source.open("rb") as original, replacing(path, overwrite=overwrite) as file:
        shutil.copyfileobj(original, file)
