"""BMP files of 8 bits, read and written by Pillow."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import BmpImagePlugin, Image

from nsp_cli.errors import OutputError
from nsp_cli.photo.formats.spec import FormatSpec, MetadataSpec, starts_with
from nsp_cli.photo.metadata.blocks import Blocks, Dpi
from nsp_cli.photo.metadata.trailers import trailer_extras
from nsp_cli.photo.photo import Photo, as_rgb, channels
from nsp_cli.photo.sniffing import check_size, damaged

_INFO, _V5 = 40, 124  # sizes of headers that state a resolution, and that can name a profile
_UNCOMPRESSED = (0, 3, 6)  # plain, and with masks of the channels
_EMBEDDED = b"DEBM"  # "MBED" as a little-endian number
_INCHES_PER_METRE = 0.0254
_LARGEST = 2**32 - 2**16  # the size of the file has 32 bits
_MOST_PER_METRE = 2**31


def read_bmp(path: Path, max_megapixels: float) -> Photo:
    """Reads a BMP; palettes become RGB.

    Raises:
        InputError: Damaged, truncated, too large, or of a kind that Pillow does not know.
    """
    data = path.read_bytes()
    try:
        # The class itself, because Image.open would warn about large photos by a global limit.
        image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
        check_size(path, image.height, image.width, max_megapixels)
        image.load()
    except (OSError, SyntaxError, ValueError, LookupError, OverflowError, struct.error) as error:
        raise damaged(path, "BMP", error) from error
    is_grey = image.mode in ("1", "L")
    stored = np.asarray(image.convert("L" if is_grey else "RGBA" if image.mode == "RGBA" else "RGB"))
    return Photo(
        as_rgb(stored) if is_grey else np.ascontiguousarray(stored[:, :, :3]),
        np.ascontiguousarray(stored[:, :, 3]) if image.mode == "RGBA" else None,
        "bmp",
        is_grey,
        icc_profile=_profile(data),
        dpi=_dpi(data),
        notes=("palette converted to RGB",) if image.mode == "P" else (),
    )


def _header_size(data: bytes) -> int:
    return int.from_bytes(data[14:18], "little")


def _dpi(data: bytes) -> Dpi | None:
    """Resolution that a header states in dots per metre; 0 means that it states none."""
    if _header_size(data) < _INFO:
        return None
    x, y = struct.unpack_from("<II", data, 38)
    return (round(x * _INCHES_PER_METRE, 2), round(y * _INCHES_PER_METRE, 2)) if x and y else None


def _profile(data: bytes) -> bytes | None:
    if _header_size(data) < _V5 or data[70:74] != _EMBEDDED:
        return None
    place, size = struct.unpack_from("<II", data, 126)
    return data[14 + place : 14 + place + size] or None


def write_bmp(photo: Photo, file: BinaryIO) -> None:
    """Writes 8 bits, grey or colour."""
    dots = [round(value / _INCHES_PER_METRE) for value in photo.dpi or ()]
    fits = photo.dpi is not None and all(0 < dot < _MOST_PER_METRE for dot in dots)
    Image.fromarray(channels(photo)).save(file, "BMP", dpi=photo.dpi if fits else (0, 0))


def _check(photo: Photo, path: Path, scale: int) -> None:
    if photo.pixels.nbytes * scale**2 > _LARGEST:
        raise OutputError(f"{path}: a BMP cannot be larger than 4 GB.", "Use --format tiff.")


def _read_blocks(file: BinaryIO) -> Blocks:
    data = file.read()
    dpi = _dpi(data)
    return Blocks(
        icc_profile=_profile(data),
        dpi=() if dpi is None else (dpi,),
        extras=tuple(trailer_extras(data[_end(data) :])),
    )


def _end(data: bytes) -> int:
    """Place after the pixels, and the profile if one follows; the file's end where that is not known."""
    if _header_size(data) < _INFO:
        return len(data)
    width, height, _, bits, compression, size = struct.unpack_from("<iiHHII", data, 18)
    row = (abs(width) * bits + 31) // 32 * 4
    pixels = row * abs(height) if compression in _UNCOMPRESSED else size
    place, profile = struct.unpack_from("<II", data, 126) if _profile(data) else (0, 0)
    end = int(struct.unpack_from("<I", data, 10)[0]) + pixels
    return max(end, 14 + place + profile) if pixels else len(data)


SPEC = FormatSpec(
    name="bmp",
    label="BMP",
    suffixes=(".bmp", ".dib"),
    readable="8 bits; grey, RGB, palettes (become RGB), transparency",
    writable="8 bits, uncompressed",
    not_kept="EXIF, XMP, IPTC, colour profile, transparency",
    recognise=starts_with(b"BM"),
    read=read_bmp,
    write=write_bmp,
    depths=(8,),
    has_alpha=False,
    check_photo=_check,
    metadata=MetadataSpec(_read_blocks, holds=frozenset()),
)
