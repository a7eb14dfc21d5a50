"""PNG files of 8 and 16 bits, without Pillow, which silently reduces 16-bit colour to 8 bits."""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.png_chunks import XMP_KEYWORD, PngParts, pack_chunk, parse_chunks
from nsp_cli.photo.formats.png_interlacing import decode_interlaced
from nsp_cli.photo.formats.spec import TWO_RESOLUTIONS, FormatSpec, MetadataSpec, starts_with
from nsp_cli.photo.metadata.blocks import CHUNK, COLOUR_CHUNKS, COMMENT, KINDS, TEXT, Blocks, exif_blocks
from nsp_cli.photo.metadata.dcf import is_adobe_rgb
from nsp_cli.photo.metadata.patching import exif_with_dpi
from nsp_cli.photo.metadata.texts import COMMENT_KEYWORD, pack_profile, pack_text
from nsp_cli.photo.photo import Extra, Photo, as_rgb, channels
from nsp_cli.photo.sniffing import check_size, damaged
from nsp_cli.photo.stated_colours import StatedColours, primaries_of, profile_of

_HEADER = 16  # where IHDR's content begins, which always comes first
_COLOUR_TYPE = 25  # its place
_PALETTE, _GREY = 3, (0, 4)
_CARRIED = (COMMENT, TEXT, CHUNK)
_HEADER_END = 33  # signature and IHDR
_INCHES_PER_METRE = 1 / 0.0254
# Every row filtered by its left neighbour alone, and a short search: 24 MP of noisy 16-bit colour take
# 5 s, and stay within 3 % of what any other setting reached.
_LEVEL, _STRATEGY, _FILTER = 3, 0, 16


_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlacing: int

    def check(self) -> None:
        """Refuses headers that libpng would print warnings about.

        Raises:
            ValueError: The header is invalid.
        """
        is_known = self.depth in _DEPTHS.get(self.colour, ())
        if not is_known or self.compression or self.filtering or self.interlacing > 1:
            raise ValueError("its header is not valid")


def read_png(path: Path, max_megapixels: float) -> Photo:
    """Reads a PNG of any colour type as stored (not turned); 16 bits stay 16 bits.

    Raises:
        InputError: Animated, damaged, truncated or too large.
    """
    import imagecodecs

    data = path.read_bytes()
    try:
        file = parse_chunks(data)
        header = _Header(*struct.unpack_from(">II5B", data, _HEADER))
        header.check()
        check_size(path, header.height, header.width, max_megapixels)
        _refuse_animation(path, file.facts)
        # libpng itself expands palettes, bits below 8 and transparent colours, and keeps 16 bits.
        if header.interlacing:
            image = decode_interlaced(file.picture)
        else:
            image = imagecodecs.png_decode(b"".join(file.picture))
        notes = [f"damaged PNG chunks not kept: {', '.join(file.damaged)}"] if file.damaged else []
        notes += ["palette converted to RGB"] if header.colour == _PALETTE else []
        return _photo(path, image, file).with_notes(*notes)
    except (ValueError, LookupError, struct.error, zlib.error, imagecodecs.PngError) as error:
        raise damaged(path, "PNG", error) from error


def _refuse_animation(path: Path, facts: dict[bytes, bytes]) -> None:
    if b"acTL" in facts and struct.unpack_from(">I", facts[b"acTL"])[0] > 1:
        raise InputError(
            f"{path} is an animation; only its first picture would survive.", "Extract one picture first."
        )


def _photo(path: Path, image: Pixels, file: PngParts) -> Photo:
    facts = file.facts
    image = image if image.ndim == 3 else image[:, :, np.newaxis]
    count = image.shape[2]
    is_grey = count < 3
    profile, notes = profile_of(
        path, _stated(facts.get(b"iCCP"), file.extras, facts.get(b"eXIf")), is_grey=is_grey
    )
    return Photo(
        as_rgb(image[:, :, 0]) if is_grey else np.ascontiguousarray(image[:, :, :3]),
        image[:, :, -1].copy() if count in (2, 4) else None,
        "png",
        is_grey,
        icc_profile=profile,
        exif=facts.get(b"eXIf"),
        xmp=facts.get(XMP_KEYWORD),
        resources=facts.get(b"8BIM"),
        dpi=_dpi_of(facts.get(b"pHYs")),
        extras=tuple(extra for extra in file.extras if extra.kind in _CARRIED),
        notes=notes,
    )


def _stated(profile: bytes | None, extras: Iterable[Extra], exif: bytes | None) -> StatedColours:
    """Returns what chunks and EXIF say of the colours."""
    chunks = {extra.name: extra.content for extra in extras if extra.kind == CHUNK}
    numbers = chunks.get("cICP", b"")
    gamma = int.from_bytes(chunks.get("gAMA", b""), "big")
    points = [number / 100_000 for (number,) in struct.iter_unpack(">I", chunks.get("cHRM", b""))]
    primaries, transfer, _, is_full = numbers if len(numbers) == 4 else (None, None, 0, True)
    return StatedColours(
        profile,
        primaries,
        transfer,
        is_srgb="sRGB" in chunks,
        gamma=100_000 / gamma if gamma else None,
        chromaticities=primaries_of(tuple(points[:2]), tuple(points[2:])),
        is_adobe_rgb=is_adobe_rgb(exif),
        is_narrow=not is_full,
    )


def _stated_profile(photo: Photo) -> bytes | None:
    if not any(extra.name in COLOUR_CHUNKS for extra in photo.extras):
        return None
    return profile_of(Path(), _stated(None, photo.extras, photo.exif), is_grey=photo.is_grey)[0]


def _dpi_of(chunk: bytes | None) -> tuple[float, float] | None:
    """Resolution that a pHYs chunk states; None if it states no unit."""
    if chunk is None:
        return None
    x, y, unit = struct.unpack_from(">IIB", chunk)
    if unit != 1 or 0 in (x, y):
        return None
    # Whole dots per metre are too coarse for 300 dpi, which comes back as 299.9994.
    return round(x / _INCHES_PER_METRE, 2), round(y / _INCHES_PER_METRE, 2)


def write_png(photo: Photo, file: BinaryIO) -> None:
    """Writes 8 or 16 bits, grey or colour, with or without alpha."""
    import imagecodecs

    image = channels(photo)
    # A byte for each row's filter, and what packing adds where nothing can be packed: imagecodecs' own
    # estimate is too small for narrow pictures.
    most = (image.nbytes + photo.height) * 257 // 256 + 4096
    encoded = imagecodecs.png_encode(image, level=_LEVEL, strategy=_STRATEGY, filter=_FILTER, out=most)
    file.write(encoded[:_HEADER_END])
    file.write(_packed_facts(photo))
    file.write(memoryview(encoded)[_HEADER_END:])


def png_bytes(pixels: Pixels) -> bytes:
    """Returns (H, W, 3) 8- or 16-bit pixels as a PNG file's content, without metadata."""
    file = io.BytesIO()
    write_png(Photo(pixels), file)
    return file.getvalue()


def _packed_facts(photo: Photo) -> bytes:
    packed = b""
    if photo.icc_profile is not None:
        packed += pack_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(photo.icc_profile))
    exif, per_metre = photo.exif, [round(dots * _INCHES_PER_METRE) for dots in photo.dpi or ()]
    has_shape = any(extra.name == "pHYs" for extra in photo.extras)  # of a pixel, in the chunk for both
    if per_metre and all(0 < dots < 2**31 for dots in per_metre) and not has_shape:
        packed += pack_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))
    else:
        exif = exif_with_dpi(exif, photo.dpi)
    if exif is not None:
        packed += pack_chunk(b"eXIf", exif)
    if photo.xmp is not None:
        packed += pack_chunk(b"iTXt", XMP_KEYWORD + bytes(5) + photo.xmp)
    if photo.resources is not None:
        keyword, content = pack_profile("iptc", photo.resources)
        packed += pack_chunk(b"zTXt", keyword.encode() + b"\0\0" + zlib.compress(content))
    return packed + b"".join(_packed(extra) for extra in photo.extras)


def _packed(extra: Extra) -> bytes:
    if extra.kind in (COMMENT, TEXT):
        return pack_chunk(*pack_text(extra.name or COMMENT_KEYWORD, extra.content))
    return pack_chunk(extra.name.encode("latin-1"), extra.content) if extra.kind == CHUNK else b""


def _read_blocks(file: BinaryIO) -> Blocks:
    data = file.read()
    parts = parse_chunks(data)
    exif = exif_blocks(parts.facts.get(b"eXIf"))
    stated = _stated(parts.facts.get(b"iCCP"), parts.extras, parts.facts.get(b"eXIf"))
    profile, _ = profile_of(Path(file.name), stated, is_grey=data[_COLOUR_TYPE] in _GREY)
    dpi = _dpi_of(parts.facts.get(b"pHYs"))
    return dataclasses.replace(
        exif,
        xmp=parts.facts.get(XMP_KEYWORD),
        resources=parts.facts.get(b"8BIM"),
        extras=tuple(parts.extras),
        icc_profile=profile,
        dpi=(*(() if dpi is None else (dpi,)), *exif.dpi),
        damaged=(*exif.damaged, *(f"PNG chunk {name}" for name in parts.damaged)),
    )


SPEC = FormatSpec(
    name="png",
    label="PNG",
    suffixes=(".png",),
    readable="1 to 16 bits; grey, RGB, palettes (become RGB), transparency",
    writable="8 and 16 bits, lossless",
    not_kept="animations are refused",
    recognise=starts_with(b"\x89PNG\r\n\x1a\n"),
    read=read_png,
    write=write_png,
    longest_side=1_000_000,  # libpng's limit
    metadata=MetadataSpec(
        _read_blocks,
        holds=frozenset({*KINDS, *_CARRIED}),
        merged=TWO_RESOLUTIONS,
        stated_profile=_stated_profile,
    ),
)
