"""JPEG files."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import cmyk_to_srgb
from nsp_cli.photo.formats.jpeg_blocks import APP0, APP2, JFIF, JFIF_PREFIX, profile_stated, read_jpeg_blocks
from nsp_cli.photo.formats.jpeg_damage import mended
from nsp_cli.photo.formats.jpeg_header import JpegHeader
from nsp_cli.photo.formats.spec import TWO_RESOLUTIONS, FormatSpec, MetadataSpec, starts_with
from nsp_cli.photo.metadata import jpeg_segments, xmp
from nsp_cli.photo.metadata.attached import mpf_segment, with_attached
from nsp_cli.photo.metadata.blocks import COMMENT, GAIN_MAP, KINDS, SEGMENT, VIDEO
from nsp_cli.photo.metadata.jpeg_extras import extra_segments, jpeg_extras
from nsp_cli.photo.metadata.patching import exif_with_dpi
from nsp_cli.photo.photo import Photo, as_rgb, channels
from nsp_cli.photo.sniffing import check_size, damaged

EXTENDED_XMP_DAMAGED = "extended XMP is damaged and not kept"
_CARRIED = (COMMENT, SEGMENT, GAIN_MAP, VIDEO)
_SEVERAL = (".mpo",)  # suffixes of files with further pictures, which a result does not have
_GAIN_MAP_QUALITY = 98
_MOST_SCANS = 500  # a progressive JPEG has ten; each may pass over the whole photo for a few bytes


def read_jpeg(path: Path, max_megapixels: float, *, accept_damaged: bool = False) -> Photo:
    """Reads a JPEG, grey, RGB or CMYK, as stored (not turned). Only the first of several pictures is read.

    Args:
        path: The file.
        max_megapixels: Larger photos are refused.
        accept_damaged: Whether a picture may be cut short. What is missing is grey, and a note says so.

    Raises:
        InputError: Damaged, truncated, too large, or of a kind that libjpeg does not know.
    """
    data = path.read_bytes()
    try:
        _check_scans(data)
        # The class itself, because Image.open would warn about large photos by a global limit,
        # and would open phones' photos with a gain map as a stack of frames.
        data = jpeg_segments.without_short(data, APP0, JFIF_PREFIX, JFIF.size)
        image = JpegHeader(io.BytesIO(data))
        check_size(path, image.height, image.width, max_megapixels)
        data, notes = mended(data, accept_damaged=accept_damaged)
        if notes:
            image = JpegHeader(io.BytesIO(data))
        image.load()
        extras = tuple(extra for extra in jpeg_extras(data) if extra.kind in _CARRIED)
    except (OSError, SyntaxError, ValueError) as error:
        raise damaged(path, "JPEG", error) from error
    packet, is_whole = xmp.joined(image.info.get("xmp"), _contents(image, "APP1", jpeg_segments.EXTENDED_XMP))
    resources = b"".join(_contents(image, "APP13", jpeg_segments.RESOURCES_PREFIX))
    photo = dataclasses.replace(_decoded(image), xmp=packet, resources=resources, extras=extras)
    return photo.with_notes(*notes, *([] if is_whole else [EXTENDED_XMP_DAMAGED]))


def _contents(image: JpegImagePlugin.JpegImageFile, marker: str, prefix: bytes) -> list[bytes]:
    """Returns what follows a prefix in each segment of a kind that begins with it."""
    return [
        data.removeprefix(prefix)
        for name, data in image.applist
        if name == marker and data.startswith(prefix)
    ]


def _check_scans(data: bytes) -> None:
    """Counts the scans of the first picture.

    Raises:
        ValueError: Decoding them would take forever.
    """
    scans = sum(marker == jpeg_segments.START_OF_SCAN for marker, _ in jpeg_segments.walk(data))
    if scans > _MOST_SCANS:
        raise ValueError(f"{scans} passes over one picture are not plausible")


def _decoded(image: JpegImagePlugin.JpegImageFile) -> Photo:
    info = image.info
    notes: tuple[str, ...] = ()
    profile = info.get("icc_profile")
    if image.mode == "CMYK":
        pixels, profile, note = cmyk_to_srgb(image, profile)
        notes = (note,)
    else:
        pixels = np.asarray(image)
    is_grey = pixels.ndim == 2
    if image.mode != "CMYK":
        profile = profile_stated(profile, info.get("exif"), is_grey=is_grey)
    return Photo(
        as_rgb(pixels) if is_grey else pixels,
        format="jpeg",
        is_grey=is_grey,
        icc_profile=profile,
        exif=info.get("exif"),
        dpi=info.get("dpi") if all(info.get("dpi", ())) else None,  # 0 states nothing
        notes=notes,
    )


def _stated_profile(photo: Photo) -> bytes | None:
    return profile_stated(None, photo.exif, is_grey=photo.is_grey)


def turned_gain_map(picture: bytes, turn: Callable[[Pixels], Pixels]) -> bytes:
    """Returns a gain map turned with its photo, with its own metadata.

    Raises:
        OSError, SyntaxError: It is damaged.
    """
    image = JpegHeader(io.BytesIO(picture))
    image.load()
    file = io.BytesIO()
    Image.fromarray(turn(np.asarray(image))).save(file, "JPEG", quality=_GAIN_MAP_QUALITY, subsampling=0)
    kept = (
        jpeg_segments.segment(marker, content)
        for marker, content in jpeg_segments.segments(picture)
        if marker in (jpeg_segments.APP1, APP2)
    )
    data = file.getvalue()
    return b"".join((data[:2], *kept, data[2:]))


def write_jpeg(photo: Photo, file: BinaryIO, quality: int) -> None:
    """Writes an 8-bit photo without alpha; full colour resolution (4:4:4), because halving it blurs edges.

    Raises:
        OutputError: EXIF, or XMP that cannot be divided, exceeds the 64 KB that a JPEG segment holds.
    """
    # JFIF counts whole dots in 16 bits.
    fits = photo.dpi is not None and all(1 <= round(dots) < 2**16 for dots in photo.dpi)
    block = photo.exif if fits else exif_with_dpi(photo.exif, photo.dpi)
    exif = jpeg_segments.EXIF_PREFIX + block if block else b""
    if len(exif) > jpeg_segments.LONGEST:
        raise jpeg_segments.too_long("EXIF", len(exif))
    settings: dict[str, Any] = {"dpi": photo.dpi} if fits else {}
    picture = io.BytesIO()
    Image.fromarray(channels(photo)).save(
        picture,
        "JPEG",
        quality=quality,
        subsampling=0,
        icc_profile=photo.icc_profile,
        exif=exif,
        extra=jpeg_segments.xmp_segments(photo.xmp)
        + jpeg_segments.resource_segments(photo.resources)
        + extra_segments(photo.extras)
        + mpf_segment(photo.extras),
        **settings,
    )
    file.write(with_attached(picture.getvalue(), photo.extras, photo.xmp))


def jpeg_bytes(pixels: Pixels, quality: int) -> bytes:
    """Returns 8-bit (H, W, 3) pixels as a JPEG file's content, without metadata.

    Args:
        pixels: The picture.
        quality: 1 to 100.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def _result_suffix(path: Path) -> str:
    return ".jpg" if path.suffix.lower() in _SEVERAL else path.suffix


SPEC = FormatSpec(
    name="jpeg",
    label="JPEG",
    suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
    read_suffixes=_SEVERAL,
    readable="8 bits; grey, RGB, CMYK (becomes sRGB)",
    writable="8 bits, lossy, full colour resolution (4:4:4)",
    not_kept="further pictures other than gain maps",
    recognise=starts_with(b"\xff\xd8\xff"),
    read=read_jpeg,
    read_damaged=partial(read_jpeg, accept_damaged=True),
    write_lossy=write_jpeg,
    depths=(8,),
    has_alpha=False,
    longest_side=65500,
    result_suffix=_result_suffix,
    metadata=MetadataSpec(
        read_jpeg_blocks,
        holds=frozenset({*KINDS, *_CARRIED}),
        longest_comment=jpeg_segments.LONGEST,
        merged=TWO_RESOLUTIONS,
        stated_profile=_stated_profile,
    ),
    noise_difference=40,
)
