"""AVIF files: read at 8, 10 and 12 bits, written at 8."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from nsp_cli.errors import InputError
from nsp_cli.photo.cicp import check_transfer, described_profile
from nsp_cli.photo.colour import three_channels
from nsp_cli.photo.metadata.heif_boxes import ERRORS, PictureFacts, read_facts, upright
from nsp_cli.photo.metadata.ifd import ORIENTATION, read_layout
from nsp_cli.photo.metadata.patching import exif_with_dpi
from nsp_cli.photo.photo import Photo, Pixels, as_rgb, widened
from nsp_cli.photo.sniffing import check_size, damaged, read_head

LONGEST_SIDE = 16384  # libavif decodes no more than 16384² pixels unless told to
_SEQUENCE = b"avis"


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
        facts = read_facts(path)
        check_size(path, facts.height, facts.width, max_megapixels)
        check_transfer(path, facts.transfer)
        # Not Pillow: it has 8 bits only.
        pixels = imagecodecs.avif_decode(path.read_bytes(), index=0)
        stored = widened(pixels, facts.bit_depth if pixels.dtype == np.uint16 else 8)
    except (*ERRORS, imagecodecs.AvifError) as error:
        raise damaged(path, "AVIF", error) from error
    return _photo(path, _turned(stored, facts), facts)


def _turned(pixels: Pixels, facts: PictureFacts) -> Pixels:
    turned = np.rot90(pixels, facts.quarter_turns)
    return turned if facts.mirror is None else np.flip(turned, facts.mirror)


def _photo(path: Path, pixels: Pixels, facts: PictureFacts) -> Photo:
    profile, notes = described_profile(path, facts.icc_profile, facts.primaries, facts.transfer)
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
    """Returns EXIF without its orientation, which Pillow would take out by rebuilding the block.

    Makers' notes hold offsets into the block, so that everything else stays where it is. The resolution
    goes there too, because AVIF has no other place for it.
    """
    exif = exif_with_dpi(photo.exif, photo.dpi)
    if exif is None:
        return b""
    layout, start = read_layout(exif)
    count = struct.unpack_from(layout.order + "H", exif, start)[0]
    first, end = start + 2, start + 2 + 12 * count
    tag = struct.pack(layout.order + "H", ORIENTATION)
    rows = [exif[row : row + 12] for row in range(first, end, 12)]
    kept = [row for row in rows if not row.startswith(tag)]
    table = struct.pack(layout.order + "H", len(kept)) + b"".join(kept) + exif[end : end + 4]
    return exif[:start] + table.ljust(end + 4 - start, b"\0") + exif[end + 4 :]


def write_avif(photo: Photo, file: BinaryIO, quality: int) -> None:
    """Writes an 8-bit photo in full colour resolution (4:4:4); grey becomes three channels."""
    pixels, profile = three_channels(photo)
    Image.fromarray(pixels).save(
        file,
        "AVIF",
        quality=quality,
        subsampling="4:4:4",
        icc_profile=profile,
        exif=_exif(photo),
        xmp=photo.xmp or b"",
    )
