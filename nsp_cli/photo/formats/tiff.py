"""TIFF files: pixels through tifffile, floating point as 16 bits, metadata through `tiff_directories`."""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import cmyk_to_srgb, srgb_profile
from nsp_cli.photo.formats.spec import FormatSpec, MetadataSpec, Tags, starts_with
from nsp_cli.photo.formats.tiff_blocks import full_size_blocks
from nsp_cli.photo.formats.tiff_pages import (
    COLOURS,
    FLOAT,
    LABS,
    check_pixels,
    kind_of,
    needs_pillow,
    only_page,
)
from nsp_cli.photo.formats.tiff_writing import write_tiff
from nsp_cli.photo.lab import lab_to_srgb
from nsp_cli.photo.metadata.blocks import KINDS
from nsp_cli.photo.metadata.bounds import directory_chain
from nsp_cli.photo.metadata.tiff_directories import OWN_TAGS, Facts, read_tiff_facts
from nsp_cli.photo.photo import Photo, as_rgb, from_float, unmultiplied, widened
from nsp_cli.photo.sniffing import damaged

_PHOTOSHOP_LAYERS = 37724
_UNASSOCIATED, _ASSOCIATED = 2, 1
_MOST_NAMED = 8
# tifffile reports odd tags through logging, which would reach the terminal as stray lines.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(path: Path, max_megapixels: float) -> Photo:
    """Reads the one full-size picture of a TIFF as stored (not turned); 16 bits stay 16 bits.

    Floating point becomes 16 bits: 0 is black and 1 is white, in the colour profile's curve if there is one,
    else as they are. What lies outside is clipped, and `notes` says so.

    Raises:
        InputError: Several pictures, a kind of pixel no photo has (signed, floating point far above 1, …),
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
        with path.open("rb") as file:
            directory_chain(file)  # tifffile follows a loop for ever
            file.seek(0)
            tiff = tifffile.TiffFile(file)
            page = only_page(path, tiff)
            check_pixels(path, page, max_megapixels)
            facts = read_tiff_facts(file, page.offset)
            stored = _by_pillow(path, page) if needs_pillow(page) else _channels_last(page)
            if page.sampleformat != FLOAT:
                return _photo(page, stored, facts)
            sixteen, notes = _sixteen_bit(path, stored)
            return _photo(page, sixteen, facts).with_notes(*notes)
    except errors as error:
        raise damaged(path, "TIFF", error) from error


def _channels_last(page: Any) -> Pixels:
    """Returns (H, W, C), decoded, whatever the file's planes, tiles and byte order."""
    image: Pixels = page.asarray()
    if "S" in page.axes:
        image = np.moveaxis(image, page.axes.index("S"), -1)
    return image.reshape(page.imagelength, page.imagewidth, -1)


def _by_pillow(path: Path, page: Any) -> Pixels:
    """Returns (H, W, 3), decoded and as RGB."""
    # The class itself, because Image.open would warn about large photos by a global limit.
    with TiffImagePlugin.TiffImageFile(path) as image:
        image.seek(page.index)
        return np.asarray(image.convert("RGB"))


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
        notes.append("values that are not a number set to black")
    return from_float(stored), notes


def _photo(page: Any, stored: Pixels, facts: Facts) -> Photo:
    notes: list[str] = []
    colour, alpha = _split(page, stored, notes)
    profile, kind = facts.icc_profile, kind_of(page)
    if kind == "separated":
        colour, profile, note = cmyk_to_srgb(_cmyk_image(colour), profile)
        notes.append(note if page.bitspersample == 8 else f"{note}, at 8 bits")
        alpha = None if alpha is None else _eight_bit(alpha)
    elif kind in LABS:
        colour, profile = lab_to_srgb(colour, is_signed=kind == "cielab"), srgb_profile()
        notes.append("Lab converted to sRGB")
    elif kind == "palette":
        colour = _eight_bit(np.moveaxis(page.colormap, 0, -1))[stored[:, :, 0].astype(np.intp)]
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
    full = stored if kind_of(page) == "palette" else widened(stored, min(page.bitspersample, 16))
    colour, extra = np.split(full, [COLOURS[kind_of(page)]], axis=2)
    if kind_of(page) == "miniswhite":
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
    readable="1 to 16 bits, and floating point as 16 bits; grey, RGB, YCbCr, CMYK and Lab (become sRGB), "
    "palettes; BigTIFF",
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
