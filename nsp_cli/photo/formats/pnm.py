"""PPM, PGM and PNM files of up to 16 bits, without Pillow, which reduces 16 bits to 8."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nsp_cli.errors import InputError, OutputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.spec import FormatSpec, MetadataSpec, starts_with
from nsp_cli.photo.metadata.blocks import LEFT, Blocks
from nsp_cli.photo.metadata.trailers import trailer_extras
from nsp_cli.photo.photo import Extra, Photo, as_rgb, channels
from nsp_cli.photo.sniffing import check_size, damaged

_MAGICS = (b"P2", b"P3", b"P5", b"P6")
_PLAIN, _COLOUR = (b"P2", b"P3"), (b"P3", b"P6")
_GAP = rb"(?:[ \t\r\n\v\f]|#[^\n]*\n)+"  # comments may be wherever white space may
_HEADER = re.compile(rb"(P[2356])%b(\d{1,9})%b(\d{1,9})%b(\d{1,9})[ \t\r\n\v\f]" % (_GAP, _GAP, _GAP))
_COMMENT = re.compile(rb"#[^\n]*")
_LONGEST_HEADER = 2**16  # comments among it
_LARGEST_VALUE = 2**16 - 1


@dataclass(frozen=True)
class _Header:
    magic: bytes
    width: int
    height: int
    largest: int  # value of white
    end: int  # place of the pixels

    @property
    def count(self) -> int:
        """Number of values."""
        return self.height * self.width * (3 if self.magic in _COLOUR else 1)

    @property
    def stored_type(self) -> str:
        """Type of a value in a binary file."""
        return "u1" if self.largest < 2**8 else ">u2"


def read_pnm(path: Path, max_megapixels: float) -> Photo:
    """Reads a picture of up to 16 bits. Values are scaled to 255 or 65535 if white is another number.

    Raises:
        InputError: Several pictures, damaged, truncated or too large.
    """
    data = path.read_bytes()
    try:
        header = _parse(data)
        check_size(path, header.height, header.width, max_megapixels)
        values, rest = _plain(data, header) if header.magic in _PLAIN else _binary(data, header)
        if rest[:64].lstrip().startswith(_MAGICS):
            message = f"{path} holds several pictures; only the first would survive."
            raise InputError(message, "Split it into single pictures first.")
        return _photo(_full_range(values, header.largest), header)
    except ValueError as error:
        raise damaged(path, "PNM", error) from error


def _parse(data: bytes) -> _Header:
    found = _HEADER.match(data[:_LONGEST_HEADER])
    if found is None:
        raise ValueError("its header is damaged or ends too early")
    width, height, largest = (int(number) for number in found.groups()[1:])
    if not 1 <= largest <= _LARGEST_VALUE:
        raise ValueError(f"its white, {largest}, is out of range")
    return _Header(found[1], width, height, largest, found.end())


def _binary(data: bytes, header: _Header) -> tuple[Pixels, bytes]:
    """Values of a binary file, and the bytes after them."""
    start, size = header.end, header.count * np.dtype(header.stored_type).itemsize
    if data[start - 1 : start + 1] == b"\r\n" and len(data) == start + size + 1:
        start += 1  # a program that ends lines with two characters wrote the header
    end = start + size
    if end > len(data):
        raise ValueError(f"it ends after {len(data)} of {end} bytes")
    return np.frombuffer(data, header.stored_type, header.count, start), data[end:]


def _plain(data: bytes, header: _Header) -> tuple[Pixels, bytes]:
    """Values of a plain file, which are decimal numbers; nothing may follow them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # depending on its version, numpy only warns of what is no number
        try:
            values = np.fromstring(_COMMENT.sub(b"", data[header.end :]), np.int64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise ValueError("it holds something that is not a number") from error
    if len(values) != header.count:
        raise ValueError(f"it holds {len(values)} of {header.count} values")
    if values.min() < 0:
        raise ValueError("it holds negative numbers")
    return values, b""


def _full_range(values: Pixels, largest: int) -> Pixels:
    """Scales values to 8 bits, or to 16 where white is above 255."""
    if values.max() > largest:
        raise ValueError(f"it holds values above its white, {largest}")
    dtype = np.uint8 if largest < 2**8 else np.uint16
    top = int(np.iinfo(dtype).max)
    if largest == top:
        return values.astype(dtype)
    scaled = ((np.arange(largest + 1) * top + largest // 2) // largest).astype(dtype)
    result: Pixels = scaled[values]
    return result


def _photo(values: Pixels, header: _Header) -> Photo:
    is_grey = header.magic not in _COLOUR
    pixels = values.reshape(header.height, header.width, -1)
    return Photo(as_rgb(pixels[:, :, 0]) if is_grey else pixels, format="pnm", is_grey=is_grey)


def _size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        header = _parse(file.read(_LONGEST_HEADER))
    return header.width, header.height


def write_pnm(photo: Photo, file: BinaryIO) -> None:
    """Writes 8 or 16 bits, binary: P5 for grey, P6 for colour."""
    image = channels(photo)
    magic, white = "P5" if photo.is_grey else "P6", 2**photo.bit_depth - 1
    file.write(f"{magic}\n{photo.width} {photo.height}\n{white}\n".encode())
    stored = image.astype(">u2") if photo.bit_depth == 16 else image
    file.write(stored.tobytes())


def _check(photo: Photo, path: Path, scale: int) -> None:  # noqa: ARG001
    if path.suffix.lower() == ".pgm" and not photo.is_grey:
        raise OutputError(f"{path}: a PGM holds grey only.", "Use a name ending in .ppm.")


def _read_blocks(file: BinaryIO) -> Blocks:
    data = file.read()
    header = _parse(data)
    comments = [Extra(LEFT, "a comment", text) for text in _COMMENT.findall(data[: header.end])]
    rest = b"" if header.magic in _PLAIN else _binary(data, header)[1]
    return Blocks(extras=(*comments, *trailer_extras(rest)))


SPEC = FormatSpec(
    name="pnm",
    label="PNM",
    suffixes=(".pnm", ".ppm", ".pgm"),
    readable="1 to 16 bits; grey (PGM) and RGB (PPM), binary and plain",
    writable="8 and 16 bits, uncompressed",
    not_kept="EXIF, XMP, IPTC, colour profile, resolution, transparency",
    recognise=starts_with(*(magic + end for magic in _MAGICS for end in (b" ", b"\t", b"\r", b"\n", b"#"))),
    read=read_pnm,
    size=_size,
    write=write_pnm,
    has_alpha=False,
    check_photo=_check,
    metadata=MetadataSpec(_read_blocks, holds=frozenset()),
)
