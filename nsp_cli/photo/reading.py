"""Photos from files."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.jpeg import turned_gain_map
from nsp_cli.photo.formats.raw import missing_mosaic, read_raw
from nsp_cli.photo.formats.raw_development import RawOptions
from nsp_cli.photo.formats.registry import recognised, unsupported
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata.blocks import GAIN_MAP
from nsp_cli.photo.metadata.iptc import RESOURCES_DAMAGED, clean_resources
from nsp_cli.photo.metadata.patching import (
    EXIF_DAMAGED,
    clean_exif,
    exif_dpi,
    orientation_of,
    set_orientation,
)
from nsp_cli.photo.metadata.promises import with_length
from nsp_cli.photo.photo import Extra, Photo
from nsp_cli.photo.sniffing import check_readable, damaged


def read_photo(
    path: Path,
    *,
    max_megapixels: float = 250,
    raw: RawOptions | None = None,
    keep_mosaic: bool = False,
    accept_damaged: bool = False,
) -> Photo:
    """Reads a photo upright, by its content and not by its suffix, at the depth of the file.

    `notes` say what reading had to change and what it could not keep.

    Args:
        path: The file.
        max_megapixels: Larger photos are refused before any pixel is decoded.
        raw: How camera RAW is developed. Other photos get a note that it does not apply.
        keep_mosaic: Whether a photo of a Bayer sensor keeps what the sensor saw. Its pixels are then a
            quick development.
        accept_damaged: Whether a part of the picture may be missing, where that format's reader can show the
            rest; `notes` say which part.

    Raises:
        InputError: The file is missing, a folder, empty, not a photo, of an unsupported kind, damaged,
            truncated or too large, or it holds several pictures.
    """
    spec = check_kind(path)
    try:
        photo = _read(spec, path, max_megapixels, raw, keep_mosaic=keep_mosaic, accept_damaged=accept_damaged)
        return dataclasses.replace(_upright(_with_clean_facts(photo)), source=path)
    except MemoryError as error:
        hint = "Close other programs, or make the photo smaller elsewhere first."
        raise InputError(f"{path} needs more memory than is available.", hint) from error


def check_kind(path: Path) -> FormatSpec:
    """Tells the format of a photo by the beginning of its file, in a moment.

    Raises:
        InputError: The file is missing, a folder, empty, no photo, or of a kind that nsp does not read here.
    """
    check_readable(path)
    spec = recognised(path)
    if spec is None or spec.read is None:
        raise unsupported(path)
    if not spec.is_available:
        raise InputError(f"{path} is a {spec.label}, which needs {spec.library}.", spec.install_hint)
    return spec


def _read(
    spec: FormatSpec,
    path: Path,
    max_megapixels: float,
    raw: RawOptions | None,
    *,
    keep_mosaic: bool,
    accept_damaged: bool,
) -> Photo:
    if spec.name == "raw":
        return read_raw(path, max_megapixels, raw or RawOptions(), keep_mosaic=keep_mosaic)
    read = (spec.read_damaged if accept_damaged else None) or spec.read
    assert read is not None  # as `check_kind` says
    photo = read(path, max_megapixels)
    if raw not in (None, RawOptions()):
        photo = photo.with_notes("not camera RAW, so the RAW options do not apply")
    return photo


def why_no_mosaic(path: Path) -> str:
    """What keeps nsp from working on what the sensor of a photo saw, in words; empty if nothing is known to.

    Raises:
        InputError: The file is missing, or not a photo that nsp can read.
    """
    spec = check_kind(path)
    return missing_mosaic(path) if spec.name == "raw" else f"{spec.label}, not camera RAW"


def photo_size(path: Path) -> tuple[int, int]:
    """Reads width and height from a photo's header, as stored, before a turn that EXIF may ask for.

    Raises:
        InputError: The file is not a photo, or its header cannot be read.
    """
    spec = recognised(path)
    if spec is None:
        raise unsupported(path)
    try:
        return spec.size(path)
    except Exception as error:  # a header's reader may raise anything
        raise damaged(path, spec.label, error) from error


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
    """Turns the pixels as EXIF says, and sets the orientation in EXIF and XMP to "upright".

    Then every program shows the result alike, whether it reads EXIF, XMP or neither. An orientation that
    is only in XMP is neither applied nor changed: programs that read it show the result as before.
    """
    orientation = orientation_of(photo.exif)
    if orientation == 1:
        return photo
    exif, xmp = set_orientation(photo.exif, photo.xmp)
    extras, xmp = _turned_extras(photo.extras, xmp, orientation)
    dpi = photo.dpi[::-1] if photo.dpi is not None and orientation >= 5 else photo.dpi
    return dataclasses.replace(
        photo,
        pixels=_turned(photo.pixels, orientation),
        alpha=None if photo.alpha is None else _turned(photo.alpha, orientation),
        exif=exif,
        xmp=xmp,
        dpi=dpi,
        extras=extras,
    )


def _turned_extras(
    extras: tuple[Extra, ...], xmp: bytes | None, orientation: int
) -> tuple[tuple[Extra, ...], bytes | None]:
    """Turns gain maps with their photo, and says their new length in XMP."""
    kept = []
    for extra in extras:
        content = extra.content
        if extra.kind == GAIN_MAP:
            with suppress(OSError, SyntaxError, ValueError):  # a damaged one stays as it is
                content = turned_gain_map(content, partial(_turned, orientation=orientation))
            xmp = with_length(xmp, len(content))
        kept.append(extra._replace(content=content))
    return tuple(kept), xmp


def _turned(image: Pixels, orientation: int) -> Pixels:
    """Applies an EXIF orientation: 1 to 4 keep the axes, 5 to 8 swap them first."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
