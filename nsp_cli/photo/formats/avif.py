"""AVIF files: read at 8, 10 and 12 bits, written at 8."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import three_channels
from nsp_cli.photo.formats.spec import TWO_RESOLUTIONS, FormatSpec, MetadataSpec, Tags
from nsp_cli.photo.metadata.blocks import Blocks
from nsp_cli.photo.metadata.bmff import brands
from nsp_cli.photo.metadata.heif_boxes import (
    BOX_ERRORS,
    PictureFacts,
    picture_size,
    read_picture_facts,
    stored_depth,
    upright,
)
from nsp_cli.photo.metadata.heif_items import heif_blocks
from nsp_cli.photo.metadata.ifd import ORIENTATION
from nsp_cli.photo.metadata.ifd_rows import without_tag
from nsp_cli.photo.metadata.patching import exif_with_dpi
from nsp_cli.photo.photo import Photo, as_rgb, widened
from nsp_cli.photo.sniffing import check_size, damaged, read_head
from nsp_cli.photo.stated_colours import check_transfer

_EXACT_ALPHA = {"alpha:lossless": "1"}  # for libaom, which encodes by default
_STILL, _SEQUENCE = b"avif", b"avis"


def read_avif(path: Path, max_megapixels: float) -> Photo:
    """Reads a still AVIF upright, as its boxes say; 10 and 12 bits become 16.

    Raises:
        InputError: Animated, of high dynamic range or unknown colours, damaged, truncated or too large.
    """
    import imagecodecs

    if read_head(path)[8:12] == _SEQUENCE:
        raise InputError(
            f"{path} is an animation; only its first picture would survive.", "Extract one picture first."
        )
    try:
        facts = read_picture_facts(path)
        check_size(path, facts.height, facts.width, max_megapixels)
        check_transfer(path, facts.transfer)
        # Not Pillow: it has 8 bits only.
        pixels = imagecodecs.avif_decode(path.read_bytes(), index=0)
        stored = widened(pixels, facts.bit_depth if pixels.dtype == np.uint16 else 8)
    except (*BOX_ERRORS, imagecodecs.AvifError) as error:
        raise damaged(path, "AVIF", error) from error
    return _photo(path, _turned(stored, facts), facts)


def _turned(pixels: Pixels, facts: PictureFacts) -> Pixels:
    turned = np.rot90(pixels, facts.quarter_turns)
    return turned if facts.mirror is None else np.flip(turned, facts.mirror)


def _photo(path: Path, pixels: Pixels, facts: PictureFacts) -> Photo:
    profile, notes = facts.profile(path)
    if facts.is_cropped:
        notes += ("the file's crop is not applied",)
    exif, xmp = upright(facts.exif, facts.xmp)
    is_grey = pixels.ndim == 2 or pixels.shape[2] < 3
    image = np.atleast_3d(pixels)
    return Photo(
        as_rgb(image[:, :, 0]) if is_grey else np.ascontiguousarray(image[:, :, :3]),
        np.ascontiguousarray(image[:, :, -1]) if image.shape[2] in (2, 4) else None,
        "avif",
        is_grey,
        profile,
        exif,
        xmp,
        notes=notes,
    )


def _exif(photo: Photo) -> bytes:
    """EXIF without its orientation, which Pillow would take out by rebuilding the block.

    Maker notes hold offsets into the block, so everything else stays where it is. The resolution
    goes there too, because AVIF has no other place for it.
    """
    exif = exif_with_dpi(photo.exif, photo.dpi)
    return b"" if exif is None else without_tag(exif, ORIENTATION)


def write_avif(photo: Photo, file: BinaryIO, quality: int) -> None:
    """Writes an 8-bit photo in full colour resolution (4:4:4), alpha without loss; grey becomes RGB."""
    pixels, profile = three_channels(photo)
    Image.fromarray(pixels).save(
        file,
        "AVIF",
        quality=quality,
        subsampling="4:4:4",
        icc_profile=profile,
        exif=_exif(photo),
        xmp=photo.xmp or b"",
        advanced={} if photo.alpha is None else _EXACT_ALPHA,
    )


def _recognise(path: Path, head: bytes) -> bool:  # noqa: ARG001
    return not brands(head).isdisjoint({_STILL, _SEQUENCE})


def _result_suffix(path: Path) -> str:
    return ".tif" if stored_depth(path) > 8 else ".avif"


def _read_blocks(file: BinaryIO) -> Blocks:
    file.flush()
    return heif_blocks(Path(file.name))


SPEC = FormatSpec(
    name="avif",
    label="AVIF",
    suffixes=(".avif",),
    readable="8, 10 and 12 bits; no HDR (PQ, HLG)",
    writable="8 bits, lossy, full colour resolution (4:4:4), transparency without loss; "
    "photos with more bits become 16-bit TIFF",
    not_kept="IPTC; grey becomes RGB; animations are refused",
    recognise=_recognise,
    read=read_avif,
    size=picture_size,
    write_lossy=write_avif,
    depths=(8,),
    has_grey=False,
    longest_side=16384,  # libavif refuses more than 16384² pixels by default
    result_suffix=_result_suffix,
    metadata=MetadataSpec(
        _read_blocks,
        own=Tags(frozenset({ORIENTATION}), "an AVIF's boxes say how it is turned"),
        merged=TWO_RESOLUTIONS,
    ),
    noise_difference=40,
)
