"""WebP files: 8 bits, colour only, lossy or lossless."""

from __future__ import annotations

import dataclasses
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import three_channels
from nsp_cli.photo.formats.spec import TWO_RESOLUTIONS, FormatSpec, MetadataSpec
from nsp_cli.photo.metadata.blocks import LEFT, Blocks, exif_blocks
from nsp_cli.photo.metadata.bounds import limited
from nsp_cli.photo.metadata.dcf import is_adobe_rgb
from nsp_cli.photo.metadata.patching import exif_with_dpi
from nsp_cli.photo.metadata.trailers import trailer_extras
from nsp_cli.photo.photo import Extra, Photo
from nsp_cli.photo.sniffing import check_size, damaged
from nsp_cli.photo.stated_colours import StatedColours, profile_of

LOSSLESS_QUALITY = 100
_KNOWN = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"EXIF", b"XMP ")
_ANIMATION_FLAG = 0x02


def read_webp(path: Path, max_megapixels: float) -> Photo:
    """Reads a still WebP as stored (not turned).

    Raises:
        InputError: Animated, damaged, truncated or too large.
    """
    import imagecodecs

    data = path.read_bytes()
    try:
        chunks = _chunks(data)
        check_size(path, *_canvas(chunks), max_megapixels)
        is_animated = chunks[0][0] == b"VP8X" and chunks[0][1][0] & _ANIMATION_FLAG
    except (ValueError, struct.error, IndexError) as error:
        raise damaged(path, "WebP", error) from error
    if is_animated:
        raise InputError(
            f"{path} is an animation; only its first picture would survive.", "Extract one picture first."
        )
    try:
        # Not Pillow: it refuses large pictures by a global limit.
        pixels = imagecodecs.webp_decode(data)
    except imagecodecs.WebpError as error:
        raise damaged(path, "WebP", error) from error
    return _photo(pixels, dict(chunks))


def _profile(facts: dict[bytes, bytes]) -> bytes | None:
    stated = StatedColours(facts.get(b"ICCP"), is_adobe_rgb=is_adobe_rgb(facts.get(b"EXIF")))
    return profile_of(Path(), stated, is_grey=False)[0]


def _photo(pixels: Pixels, facts: dict[bytes, bytes]) -> Photo:
    alpha = pixels[:, :, 3].copy() if pixels.shape[2] == 4 else None
    return Photo(
        np.ascontiguousarray(pixels[:, :, :3]),
        alpha,
        "webp",
        icc_profile=_profile(facts),
        exif=facts.get(b"EXIF"),
        xmp=facts.get(b"XMP "),
    )


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    declared = _declared(data)
    if declared > len(data):
        raise ValueError(f"it ends after {len(data)} of {declared} bytes")
    chunks = list(limited(_walk(data, declared), "chunks"))
    if not chunks:
        raise ValueError("it holds no picture")
    return chunks


def _declared(data: bytes) -> int:
    """Returns the size that a file states of itself."""
    size: int = struct.unpack_from("<I", data, 4)[0] + 8
    return size


def _walk(data: bytes, declared: int) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= declared:
        name, size = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _canvas(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Returns height and width from the first chunk, without decoding."""
    name, head = chunks[0]
    if name == b"VP8X":
        return int.from_bytes(head[7:10], "little") + 1, int.from_bytes(head[4:7], "little") + 1
    if name == b"VP8L":
        bits = struct.unpack_from("<I", head, 1)[0]
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 6)
        return height & 0x3FFF, width & 0x3FFF
    raise ValueError("it holds no picture")


def write_webp(photo: Photo, file: BinaryIO, quality: int) -> None:
    """Writes an 8-bit photo; quality 100 is lossless. Grey becomes three channels, since WebP has no grey."""
    pixels, profile = three_channels(photo)
    Image.fromarray(pixels).save(
        file,
        "WEBP",
        quality=quality,
        lossless=quality == LOSSLESS_QUALITY,
        method=2,  # half the time of Pillow's default, 4, and files no larger (measured on noisy photos)
        exact=True,  # colours under full transparency stay
        icc_profile=profile,
        exif=exif_with_dpi(photo.exif, photo.dpi) or b"",  # WebP has no other place for it
        xmp=photo.xmp or b"",
    )


def _recognise(path: Path, head: bytes) -> bool:  # noqa: ARG001
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _read_blocks(file: BinaryIO) -> Blocks:
    data = file.read()
    chunks = _chunks(data)
    facts = dict(chunks)
    return dataclasses.replace(
        exif_blocks(facts.get(b"EXIF")),
        xmp=facts.get(b"XMP "),
        icc_profile=_profile(facts),
        extras=tuple(_extras(chunks)) + tuple(trailer_extras(data[_declared(data) :])),
    )


def _extras(chunks: list[tuple[bytes, bytes]]) -> Iterator[Extra]:
    """Yields the chunks that nsp does not know, and second ones of those that it knows."""
    names = Counter(name for name, _ in chunks)
    for name, body in chunks:
        if name not in _KNOWN or names[name] > 1:
            names[name] -= 1
            yield Extra(LEFT, f"WebP chunk {name.decode('latin-1').strip()}", body)


SPEC = FormatSpec(
    name="webp",
    label="WebP",
    suffixes=(".webp",),
    readable="8 bits; RGB, transparency",
    writable="8 bits, lossy; lossless with `--quality 100`",
    not_kept="IPTC; grey becomes RGB; animations are refused",
    recognise=_recognise,
    read=read_webp,
    write_lossy=write_webp,
    depths=(8,),
    has_grey=False,
    longest_side=16383,
    metadata=MetadataSpec(
        _read_blocks,
        merged=TWO_RESOLUTIONS,
        # exiv2 takes the bytes "II*" within a big-endian block for the block's header.
        is_misread_by_exiv2=True,
    ),
)
