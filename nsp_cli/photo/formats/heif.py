"""HEIC and HEIF files: metadata from their boxes, pixels from libheif. nsp does not write them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.heif_decoding import Decoded, decode_heif
from nsp_cli.photo.formats.spec import FormatSpec, MetadataSpec
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
from nsp_cli.photo.metadata.heif_items import coding_of, has_alpha, heif_blocks
from nsp_cli.photo.photo import Photo, as_rgb, unmultiplied, widened
from nsp_cli.photo.sniffing import check_size, damaged
from nsp_cli.photo.stated_colours import check_transfer

_DECODED = (b"hvc1",)
_CODINGS = {
    b"unci": "uncompressed pixels",
    b"j2k1": "JPEG 2000",
    b"avc1": "AVC (H.264)",
    b"vvc1": "VVC (H.266)",
    b"av01": "AV1",
    b"jpeg": "JPEG",
    b"mski": "a mask",
}


def read_heif(path: Path, max_megapixels: float) -> Photo:
    """Reads the main picture of a HEIC upright, as its boxes say; 10 and 12 bits become 16.

    Raises:
        InputError: pi-heif is absent, or the file is of high dynamic range or unknown colours, damaged,
            truncated or too large.
    """
    if find_spec("pi_heif") is None:
        raise InputError(f"{path} is a HEIC, which needs pi-heif.", "Install it: pip install pi-heif")
    try:
        facts = read_picture_facts(path)
        check_size(path, facts.height, facts.width, max_megapixels)
        check_transfer(path, facts.transfer)
        _check_coding(path)
        return _photo(path, decode_heif(path, facts.height * facts.width / 1e6), facts)
    except (*BOX_ERRORS, OSError) as error:
        raise damaged(path, "HEIC", error) from error


def _check_coding(path: Path) -> None:
    """Refuses pictures in a coding that libheif, as nsp gets it, does not decode."""
    coding = coding_of(path)
    if coding not in _DECODED:
        name = _CODINGS.get(coding, f"the coding {coding.decode('latin-1')!r}")
        raise InputError(
            f"{path} is a HEIF with {name}, which is not supported.",
            "Export it as HEIC (HEVC), JPEG or TIFF first.",
        )


def _photo(path: Path, decoded: Decoded, facts: PictureFacts) -> Photo:
    colour, alpha = _split(decoded)
    profile, notes = facts.profile(path)
    exif, xmp = upright(facts.exif, facts.xmp)
    is_grey = colour.shape[2] == 1
    if is_grey and facts.is_narrow:  # libheif does so with colour alone
        colour = _full_range(colour, decoded.bit_depth)
    pixels = as_rgb(colour[:, :, 0]) if is_grey else np.ascontiguousarray(colour)
    return Photo(pixels, alpha, "heif", is_grey, profile, exif, xmp, notes=notes)


def _split(decoded: Decoded) -> tuple[Pixels, Pixels | None]:
    """Separates colour (H, W, 1 or 3) from alpha (H, W), in 8 or 16 bits."""
    is_wide = decoded.pixels.dtype != np.uint8
    full = np.atleast_3d(widened(decoded.pixels, decoded.bit_depth) if is_wide else decoded.pixels)
    if full.shape[2] in (1, 3):
        return full, None
    colour, alpha = full[:, :, :-1], full[:, :, -1].copy()
    return (unmultiplied(colour, alpha) if decoded.is_premultiplied else colour), alpha


def _full_range(values: Pixels, bits: int) -> Pixels:
    """Stretches the narrow range of video, in which 8 bits have black at 16 and white at 235.

    Args:
        values: In 8 or 16 bits.
        bits: That the file has.
    """
    top = np.iinfo(values.dtype).max
    unit = top * 2 ** (bits - 8) / (2**bits - 1)  # of a level of 8 bits
    levels = np.arange(top + 1)
    table = np.rint(np.clip((levels - 16 * unit) / (219 * unit), 0, 1) * top).astype(values.dtype)
    stretched: Pixels = table[values]
    return stretched


def _recognise(path: Path, head: bytes) -> bool:  # noqa: ARG001
    return not brands(head).isdisjoint({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})


def _result_suffix(path: Path) -> str:
    if stored_depth(path) > 8:
        return ".tif"
    return ".png" if has_alpha(path) else ".jpg"


def _read_blocks(file: BinaryIO) -> Blocks:
    return heif_blocks(Path(file.name))


SPEC = FormatSpec(
    name="heif",
    label="HEIC",
    suffixes=(".heic", ".heif", ".hif"),
    readable="8, 10 and 12 bits; no HDR (PQ, HLG)",
    writable="never: photos of 8 bits become JPEG, with transparency PNG, others 16-bit TIFF",
    not_kept="gain maps, depth maps, bursts",
    recognise=_recognise,
    read=read_heif,
    size=picture_size,
    result_suffix=_result_suffix,
    metadata=MetadataSpec(_read_blocks),
)
