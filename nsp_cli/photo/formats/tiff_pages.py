"""The page of a TIFF that holds the photo, and the kinds of pages that nsp refuses before it decodes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nsp_cli.errors import InputError
from nsp_cli.photo.sniffing import check_size

COLOURS = {
    **dict.fromkeys(("rgb", "ycbcr", "cielab", "icclab"), 3),
    "separated": 4,
    **dict.fromkeys(("palette", "minisblack", "miniswhite"), 1),
}
"""Channels without transparency, by the kind of pixels."""
LABS = ("cielab", "icclab")
_PLAIN = {"minisblack": "grey", "miniswhite": "grey", "rgb": "RGB", "separated": "CMYK", "ycbcr": "YCbCr"} | (
    dict.fromkeys((*LABS, "itulab"), "Lab") | {"cfa": "sensor"}
)

_JPEG = (6, 7)
_PHOTOMETRIC = 262
FLOAT = 3  # sample format
# What photo programs write: none, fax, LZW, JPEG, deflate, PackBits, LZMA, Zstandard. tifffile knows thirty
# more, each another decoder that a crafted file could reach.
_COMPRESSIONS = (1, 2, 3, 4, 5, *_JPEG, 8, 32946, 32773, 34925, 50000)
_LARGEST_TILE = 2**26  # values; a damaged one must not allocate gigabytes
_MOST_CHANNELS = 64
_USUAL_CHANNELS = 5  # four inks and transparency
_NO_COMPRESSION = 1
# What YCbCr without compression must say, or leave out, for Pillow to decode it right.
_SUBSAMPLING, _COEFFICIENTS, _BLACK_WHITE = 530, 529, 532
_USUAL_YCBCR = {
    _SUBSAMPLING: (1.0, 1.0),
    _COEFFICIENTS: (0.299, 0.587, 0.114),
    _BLACK_WHITE: (0.0, 255.0, 128.0, 255.0, 128.0, 255.0),
}


def only_page(path: Path, tiff: Any) -> Any:
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


def kind_of(page: Any) -> str:
    """Kind of pixels: a key of `COLOURS`, or another word of tifffile's."""
    return getattr(page.photometric, "name", str(page.photometric)).lower()


def check_pixels(path: Path, page: Any, max_megapixels: float) -> None:
    """Refuses a page whose pixels nsp cannot use, or whose decoding would take too much memory.

    Raises:
        InputError: It is too large, or its pixels are of an unsupported kind.
        ValueError: It is truncated or damaged.
    """
    check_size(path, page.imagelength, page.imagewidth, max_megapixels)
    _check_kind(path, page)
    _check_channels(path, page, max_megapixels)
    _check_complete(page, path.stat().st_size)


def _check_kind(path: Path, page: Any) -> None:
    """Refuses kinds of pixels that nsp would have to guess."""
    names = {1: "unsigned", 2: "signed", FLOAT: "floating-point"}
    sample, kind = names.get(page.sampleformat, "unknown"), kind_of(page)
    is_known = kind in COLOURS and (kind != "ycbcr" or page.compression in _JPEG or _is_usual_ycbcr(page))
    # ICCLab of 16 bits has two encodings, which nothing in a file tells apart.
    is_known &= page.bitspersample in {"cielab": (8, 16), "icclab": (8,)}.get(kind, (page.bitspersample,))
    # Floating point in RGB and grey only: inks and palettes have none.
    has_depth = 1 <= page.bitspersample <= 16 if sample == "unsigned" else kind in ("rgb", "minisblack")
    if _PHOTOMETRIC not in page.tags:
        raise InputError(
            f"{path} does not say what its pixels mean.", "Save it as RGB with another program first."
        )
    if (
        sample not in ("unsigned", "floating-point")
        or not is_known
        or not has_depth
        or max(page.imagedepth, page.samplesperpixel / _MOST_CHANNELS) > 1
    ):
        what = f"{page.bitspersample}-bit {sample} {_PLAIN.get(kind, kind)} pixels"
        raise InputError(
            f"{path} has {what}, which are not supported.", "Convert it to 8- or 16-bit RGB first."
        )
    if page.compression not in _COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(
            f"{path} has the compression {name}, which is not supported.", "Save it with LZW or ZIP first."
        )


def needs_pillow(page: Any) -> bool:
    """Whether tifffile would return a page's YCbCr as it is stored."""
    return kind_of(page) == "ycbcr" and page.compression not in _JPEG


def _is_usual_ycbcr(page: Any) -> bool:
    """Whether Pillow decodes YCbCr without JPEG: by libtiff if it is compressed, else only the usual kind."""
    if (page.bitspersample, page.samplesperpixel) != (8, 3):
        return False
    return page.compression != _NO_COMPRESSION or all(
        tag not in page.tags or np.allclose(_numbers(page.tags[tag].value, len(usual)), usual, atol=2e-3)
        for tag, usual in _USUAL_YCBCR.items()
    )


def _numbers(value: Any, count: int) -> Any:
    """The whole numbers, or fractions, of a tag."""
    values = np.asarray(value, np.float64)
    return values if values.size == count else values[::2] / np.maximum(values[1::2], 1)


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
