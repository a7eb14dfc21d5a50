"""JPEG XL files: boxes and header by nsp, pixels and profile through OpenImageIO, an optional extra."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nsp_cli.errors import InputError, OutputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import profile_space
from nsp_cli.photo.formats.jxl_coding import LIBRARY, DecodedJxl, decode_jxl, encode_jxl
from nsp_cli.photo.formats.spec import TWO_RESOLUTIONS, FormatSpec, MetadataSpec, Tags, starts_with
from nsp_cli.photo.metadata.blocks import Blocks, exif_blocks
from nsp_cli.photo.metadata.heif_boxes import BOX_ERRORS, upright
from nsp_cli.photo.metadata.ifd import ORIENTATION
from nsp_cli.photo.metadata.jxl_boxes import (
    EXIF_BOX,
    SIGNATURE,
    XMP_BOX,
    codestream_start,
    jxl_boxes,
    jxl_extras,
    metadata_box,
    with_metadata,
)
from nsp_cli.photo.metadata.jxl_header import MAGIC, JxlHeader, read_jxl_header
from nsp_cli.photo.metadata.patching import exif_with_dpi
from nsp_cli.photo.photo import Photo, as_rgb, channels, unmultiplied
from nsp_cli.photo.sniffing import check_size, damaged
from nsp_cli.photo.stated_colours import StatedColours, profile_of

_DEPTHS = (8, 16)


def read_jxl(path: Path, max_megapixels: float) -> Photo:
    """Reads a still JPEG XL of 8 or 16 bits upright, as its codestream says.

    Raises:
        InputError: Animated, of another depth, of high dynamic range or unknown colours, damaged, truncated
            or too large.
    """
    try:
        found = jxl_boxes(path.read_bytes())
        header = read_jxl_header(codestream_start(found))
        check_size(path, header.height, header.width, max_megapixels)
        _check_kind(path, header)
        exif, xmp = upright(metadata_box(found, EXIF_BOX), metadata_box(found, XMP_BOX))
        decoded = decode_jxl(path, header.height * header.width / 1e6)
        pixels, alpha = _split(path, decoded.pixels, header)
    except BOX_ERRORS as error:
        raise damaged(path, "JPEG XL", error) from error
    is_grey = pixels.shape[2] == 1
    return Photo(
        as_rgb(pixels[:, :, 0]) if is_grey else np.ascontiguousarray(pixels),
        alpha,
        "jxl",
        is_grey,
        _profile(path, decoded),
        exif,
        xmp,
    )


def _check_kind(path: Path, header: JxlHeader) -> None:
    if header.is_animated:
        raise InputError(
            f"{path} is an animation; only its first picture would survive.", "Extract one picture first."
        )
    if header.is_float or header.bits not in _DEPTHS:
        kind = "floating point" if header.is_float else "integers"
        raise InputError(
            f"{path} is a JPEG XL of {header.bits}-bit {kind}, which {LIBRARY} does not decode as it is.",
            "Export it with 8 or 16 bits.",
        )


def _split(path: Path, full: Pixels, header: JxlHeader) -> tuple[Pixels, Pixels | None]:
    """Colour (H, W, 1 or 3), and alpha (H, W)."""
    if header.extra_channels == 0:
        return full, None
    # OpenImageIO does not say what the second channel of grey is, nor whether alpha was multiplied in.
    if header.extra_channels > 1 or not header.has_alpha:
        raise InputError(f"{path} has channels beside colour and transparency.", "Export it without them.")
    colour, alpha = full[:, :, :-1], full[:, :, -1].copy()
    return (unmultiplied(colour, alpha) if header.is_premultiplied else colour), alpha


def _profile(path: Path, decoded: DecodedJxl) -> bytes | None:
    """Profile of the pixels. Where the file states colours in numbers, they come before libjxl's profile."""
    stated = StatedColours(decoded.icc_profile or None)
    if any(decoded.numbers):
        # The primaries of a grey picture are 0, and do not count.
        stated = StatedColours(primaries=decoded.numbers[0] or 1, transfer=decoded.numbers[1])
    found, _ = profile_of(path, stated, is_grey=decoded.pixels.shape[2] < 3)
    if profile_space(found) not in ("", "RGB", "GRAY"):
        raise InputError(f"{path} has colours of {profile_space(found)}.", "Export it as RGB.")
    return found


def write_jxl(photo: Photo, file: BinaryIO) -> None:
    """Writes a photo without loss. Grey with transparency becomes RGB.

    Raises:
        OutputError: The encoder failed.
    """
    pixels = channels(dataclasses.replace(photo, is_grey=photo.is_grey and photo.alpha is None))
    try:
        made = encode_jxl(np.atleast_3d(pixels), photo.icc_profile)
    except ValueError as error:
        raise OutputError(f"{LIBRARY} cannot encode the picture: {error}.", "Use --format png.") from error
    # JPEG XL has no place for the resolution but EXIF.
    file.write(with_metadata(made, exif_with_dpi(photo.exif, photo.dpi), photo.xmp))


def _check_photo(photo: Photo, path: Path, scale: int) -> None:  # noqa: ARG001
    if photo.is_grey and photo.alpha is not None and photo.icc_profile is not None:
        raise OutputError(
            f"{path}: {LIBRARY} writes no JPEG XL with a grey profile and transparency.",
            "Use --format png.",
        )


def _size(path: Path) -> tuple[int, int]:
    header = read_jxl_header(codestream_start(jxl_boxes(path.read_bytes())))
    return header.width, header.height


def _read_blocks(file: BinaryIO) -> Blocks:
    file.flush()
    found = jxl_boxes(file.read())
    header, path = read_jxl_header(codestream_start(found)), Path(file.name)
    decoded = decode_jxl(path, header.height * header.width / 1e6)
    return dataclasses.replace(
        exif_blocks(metadata_box(found, EXIF_BOX)),
        xmp=metadata_box(found, XMP_BOX),
        icc_profile=_profile(path, decoded),
        extras=tuple(jxl_extras(found)),
    )


SPEC = FormatSpec(
    name="jxl",
    label="JPEG XL",
    suffixes=(".jxl",),
    readable='8 and 16 bits, lossy and lossless; no HDR (PQ, HLG); needs `pip install ".[jxl]"`',
    writable="8 and 16 bits, lossless",
    not_kept="IPTC, gain maps; animations are refused",
    recognise=starts_with(MAGIC, SIGNATURE),
    read=read_jxl,
    size=_size,
    write=write_jxl,
    check_photo=_check_photo,
    metadata=MetadataSpec(
        _read_blocks,
        own=Tags(frozenset({ORIENTATION}), "a JPEG XL's codestream says how it is turned"),
        merged=TWO_RESOLUTIONS,
    ),
    library=LIBRARY,
    extra="jxl",
)
