"""TIFF files: pixels through tifffile, floating point as 16 bits, metadata through `tiff_directories`."""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nsp_cli.errors import InputError
from nsp_cli.photo.colour import cmyk_to_srgb
from nsp_cli.photo.formats.spec import FormatSpec, MetadataSpec, Tags, starts_with
from nsp_cli.photo.formats.tiff_blocks import full_size_blocks
from nsp_cli.photo.formats.tiff_writing import write_tiff
from nsp_cli.photo.metadata.blocks import KINDS
from nsp_cli.photo.metadata.tiff_directories import OWN_TAGS, Facts, read_facts
from nsp_cli.photo.photo import Photo, Pixels, as_rgb, from_float, unmultiplied, widened
from nsp_cli.photo.sniffing import check_size, damaged

_PHOTOSHOP_LAYERS = 37724
_UNASSOCIATED, _ASSOCIATED = 2, 1
_COUNT = {"rgb": 3, "ycbcr": 3, "separated": 4, "palette": 1, "minisblack": 1, "miniswhite": 1}
_JPEG = (6, 7)
_FLOAT = 3  # sample format
# What photo programs write: none, fax, LZW, JPEG, deflate, PackBits, LZMA, Zstandard. tifffile knows thirty
# more, each another decoder that a crafted file could reach.
_COMPRESSIONS = (1, 2, 3, 4, 5, *_JPEG, 8, 32946, 32773, 34925, 50000)
_LARGEST_TILE = 2**26  # values; a damaged one must not allocate gigabytes
_MOST_CHANNELS = 64
_MOST_NAMED = 8
_USUAL_CHANNELS = 5  # four inks and transparency
# tifffile reports odd tags through logging, which would reach the terminal as stray lines.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(path: Path, max_megapixels: float) -> Photo:
    """Reads the one full-size picture of a TIFF as stored (not turned); 16 bits stay 16 bits.

    Floating point becomes 16 bits: 0 is black and 1 is white, in the colour profile's curve if there is one,
    else as they are. What lies outside is clipped, and `notes` says so.

    Raises:
        InputError: Several pictures, a kind of pixel no photo has (Lab, floating point far above 1, …),
            damaged, truncated or too large.
    """
    import tifffile

    # What tifffile and its codecs raise for damaged files, found by damaging files.
    errors = (
        ValueError,
        RuntimeError,
        OSError,
        LookupError,
        TypeError,
        AttributeError,
        struct.error,
        ArithmeticError,
    )
    try:
        with path.open("rb") as file, tifffile.TiffFile(file) as tiff:
            page = _only_page(path, tiff)
            check_size(path, page.imagelength, page.imagewidth, max_megapixels)
            _check_kind(path, page)
            _check_channels(path, page, max_megapixels)
            _check_complete(page, path.stat().st_size)
            facts = read_facts(file, page.offset)
            stored = _channels_last(page)
            if page.sampleformat != _FLOAT:
                return _photo(page, stored, facts)
            sixteen, notes = _sixteen_bit(path, stored)
            return _photo(page, sixteen, facts).with_notes(*notes)
    except errors as error:
        raise damaged(path, "TIFF", error) from error


def _only_page(path: Path, tiff: Any) -> Any:
    """Returns the full-size page; thumbnails and masks beside it are left behind.

    Raises:
        InputError: Several pictures, or none of full size.
        ValueError: No directory at all, as in a truncated file.
    """
    if not tiff.pages:
        raise ValueError("its directory is missing")
    pages = [page for page in tiff.pages if not (page.is_reduced or page.is_mask)]
    if len(pages) == 1:
        return pages[0]
    if not pages:
        hint = "If it is a RAW file, give it its own suffix again."
        raise InputError(f"{path} holds only a reduced picture, no full-size one.", hint)
    message = f"{path} holds {len(pages)} pictures; only the first would survive."
    raise InputError(message, "Split it into single pictures first.")


def _kind(page: Any) -> str:
    return getattr(page.photometric, "name", str(page.photometric)).lower()


def _check_kind(path: Path, page: Any) -> None:
    """Refuses kinds of pixels that nsp would have to guess."""
    names = {1: "unsigned", 2: "signed", _FLOAT: "floating-point"}
    sample, kind = names.get(page.sampleformat, "unknown"), _kind(page)
    # YCbCr comes out as RGB with JPEG compression alone.
    is_known = kind in _COUNT and (kind != "ycbcr" or page.compression in _JPEG)
    # Floating point in RGB and grey only: inks and palettes have none.
    has_depth = 1 <= page.bitspersample <= 16 if sample == "unsigned" else kind in ("rgb", "minisblack")
    if (
        sample not in ("unsigned", "floating-point")
        or not is_known
        or not has_depth
        or max(page.imagedepth, page.samplesperpixel / _MOST_CHANNELS) > 1
    ):
        what = f"{page.bitspersample}-bit {sample} {kind} pixels"
        raise InputError(
            f"{path} has {what}, which are not supported.", "Convert it to 8- or 16-bit RGB first."
        )
    if page.compression not in _COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(
            f"{path} has the compression {name}, which is not supported.", "Save it with LZW or ZIP first."
        )


def _check_channels(path: Path, page: Any, max_megapixels: float) -> None:
    """Refuses what would take many times the memory of a photo of its size."""
    values = page.imagelength * page.imagewidth * page.samplesperpixel
    if values > max_megapixels * 1e6 * _USUAL_CHANNELS:
        raise InputError(
            f"{path} has {page.samplesperpixel} channels of {page.imagewidth} x {page.imagelength} pixels.",
            "Save it without the extra channels first.",
        )


def _check_complete(page: Any, size: int) -> None:
    """Finds a truncated file by its table; tifffile fills missing parts with black.

    Raises:
        ValueError: A part is missing or lies beyond the end.
    """
    offsets, counts = page.dataoffsets, page.databytecounts
    if not offsets or len(offsets) != len(counts) or 0 in offsets or 0 in counts:
        raise ValueError("a part of the picture is missing")
    if page.is_tiled and page.tilewidth * page.tilelength * page.samplesperpixel > _LARGEST_TILE:
        raise ValueError(f"tiles of {page.tilewidth} x {page.tilelength} pixels are not plausible")
    end = max(offset + count for offset, count in zip(offsets, counts, strict=True))
    if end > size:
        raise ValueError(f"it ends after {size} of {end} bytes")


def _channels_last(page: Any) -> Pixels:
    """Returns (H, W, C), decoded, whatever the file's planes, tiles and byte order."""
    image: Pixels = page.asarray()
    if "S" in page.axes:
        image = np.moveaxis(image, page.axes.index("S"), -1)
    return image.reshape(page.imagelength, page.imagewidth, -1)


def _sixteen_bit(path: Path, stored: Pixels) -> tuple[Pixels, list[str]]:
    """Returns floating point as 16 bits, and notes.

    Raises:
        InputError: Most values exceed 1, so that white is somewhere else.
    """
    bits = 8 * stored.dtype.itemsize
    above = np.mean(stored > 1)
    if above > 0.5:
        raise InputError(
            f"{path} holds {bits}-bit floating point up to {np.nanmax(stored):g}, where 1 should be white.",
            "Divide it by its white, or convert it to 16-bit RGB first.",
        )
    notes = [f"{bits}-bit floating point read as 16 bits"]
    if above > 0:
        notes.append(f"values above 1 clipped: {max(above, 0.0001):.2%} of them")
    if np.isnan(stored).any():
        notes.append("values that are no number set to black")
    return from_float(stored), notes


def _photo(page: Any, stored: Pixels, facts: Facts) -> Photo:
    notes: list[str] = []
    colour, alpha = _split(page, stored, notes)
    profile, kind = facts.icc_profile, _kind(page)
    if kind == "separated":
        colour, profile, note = cmyk_to_srgb(_cmyk_image(colour), profile)
        notes.append(note if page.bitspersample == 8 else f"{note}, at 8 bits")
        alpha = None if alpha is None else _eight_bit(alpha)
    elif kind == "palette":
        colour = _eight_bit(np.moveaxis(page.colormap, 0, -1))[stored[:, :, 0]]
        notes.append("palette converted to RGB")
    if page.tags.get(_PHOTOSHOP_LAYERS) is not None:
        notes.append("Photoshop layers not kept, only the flattened picture")
    if facts.damaged:
        tags = sorted(set(facts.damaged))
        more = " and others" if len(tags) > _MOST_NAMED else ""
        notes.append(f"damaged TIFF tags not kept: {', '.join(map(str, tags[:_MOST_NAMED]))}{more}")
    is_grey = colour.shape[2] == 1
    pixels = as_rgb(colour[:, :, 0]) if is_grey else np.ascontiguousarray(colour)
    return Photo(
        pixels,
        alpha,
        "tiff",
        is_grey,
        icc_profile=profile,
        exif=facts.exif,
        xmp=facts.xmp,
        resources=facts.resources,
        dpi=facts.dpi,
        notes=tuple(notes),
    )


def _cmyk_image(inks: Pixels) -> Image.Image:
    eight = np.ascontiguousarray(_eight_bit(inks))
    return Image.frombuffer("CMYK", (eight.shape[1], eight.shape[0]), eight.tobytes())


def _eight_bit(values: Pixels) -> Pixels:
    """Takes the high byte of 16 bits: right for v * 256 and v * 257, both of which palettes use."""
    return values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)


def _split(page: Any, stored: Pixels, notes: list[str]) -> tuple[Pixels, Pixels | None]:
    """Separates colour (H, W, 1 or 3, or 4 inks) from alpha (H, W), both in 8 or 16 bits."""
    full = stored if _kind(page) == "palette" else widened(stored, min(page.bitspersample, 16))
    colour, extra = np.split(full, [_COUNT[_kind(page)]], axis=2)
    if _kind(page) == "miniswhite":
        colour = ~colour  # unsigned: white minus the value
    kinds = [int(kind) for kind in page.extrasamples[: extra.shape[2]]]
    meaning = next((kind for kind in kinds if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
    if extra.shape[2] > (meaning is not None):
        notes.append("extra channels that are not transparency not kept")
    if meaning is None:
        return colour, None
    alpha = extra[:, :, kinds.index(meaning)].copy()
    if meaning == _ASSOCIATED:
        colour = unmultiplied(colour, alpha)
        notes.append("premultiplied alpha converted to plain alpha")
    return colour, alpha


def _size(path: Path) -> tuple[int, int]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        return page.imagewidth, page.imagelength


SPEC = FormatSpec(
    name="tiff",
    label="TIFF",
    suffixes=(".tif", ".tiff"),
    readable="1 to 16 bits, and floating point as 16 bits; grey, RGB, CMYK (becomes sRGB), palettes; BigTIFF",
    writable="8 and 16 bits, lossless; BigTIFF from 4 GB",
    not_kept="layers, extra channels, palettes",
    recognise=starts_with(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # the last two are BigTIFF
    read=read_tiff,
    size=_size,
    write=write_tiff,
    metadata=MetadataSpec(
        full_size_blocks,
        holds=frozenset(KINDS),
        own=Tags(OWN_TAGS, "a TIFF says itself how its pixels are stored and printed"),
    ),
)
