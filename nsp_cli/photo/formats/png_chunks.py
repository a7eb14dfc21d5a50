"""The chunks of a PNG: the picture for libpng, and the metadata around it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from nsp_cli.photo.metadata.bounds import limited

XMP_KEYWORD = b"XML:com.adobe.xmp"
_SIGNATURE = 8
_HEADER_NAME = slice(12, 16)  # IHDR always comes first
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_FACTS = (b"iCCP", b"eXIf", b"iTXt", b"pHYs", b"acTL")
_LARGEST_PROFILE = 2**26
_MOST_CHUNKS = 2**20  # some programs write pixels in pieces of a kilobyte


@dataclass(frozen=True)
class PngParts:
    """A file taken apart."""

    picture: list[memoryview]  # the signature and whole chunks, for libpng
    facts: dict[bytes, bytes] = field(default_factory=dict)  # contents by chunk name
    damaged: list[str] = field(default_factory=list)  # names of chunks that had to be left out
    tried: set[bytes] = field(default_factory=set)  # a thousand packed profiles would take minutes to unpack


def parse_chunks(data: bytes) -> PngParts:
    """Separates the picture from the metadata around it.

    libpng gets the picture alone, because it prints a line to standard output for every unusual chunk.

    Raises:
        ValueError: The file ends before its end mark, or has no pixels.
    """
    if data[_HEADER_NAME] != b"IHDR":
        raise ValueError("its header is missing")
    parts = PngParts([memoryview(data)[:_SIGNATURE]])
    for name, chunk in limited(_walk(data), "chunks", _MOST_CHUNKS):
        if name in _PICTURE:
            parts.picture.append(chunk)
        if name in _FACTS:
            _keep(parts, name, chunk)
    if len(parts.picture) < 4:  # signature, IHDR, IDAT, IEND
        raise ValueError("it holds no picture")
    return parts


def _walk(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yields the name of each chunk, and the whole chunk, up to the end mark."""
    view, place, name = memoryview(data), _SIGNATURE, b""
    while name != b"IEND":
        if place + 12 > len(data):
            raise ValueError("it ends before its end mark")
        size, name = struct.unpack_from(">I4s", data, place)
        yield name, view[place : place + 12 + size]
        place += 12 + size


def _keep(parts: PngParts, name: bytes, chunk: memoryview) -> None:
    """Stores a chunk's content, unpacked where it is packed; XMP among the texts under its keyword."""
    body = bytes(chunk[8:-4])
    key = XMP_KEYWORD if name == b"iTXt" and body.startswith(XMP_KEYWORD + b"\0") else name
    if key in parts.tried:
        return
    parts.tried.add(key)
    try:
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise ValueError("its checksum differs")
        if key == b"iCCP":
            body = _inflate(body.partition(b"\0")[2][1:])
        if key == XMP_KEYWORD:
            body = _xmp(body)
        parts.facts[key] = body
    except (ValueError, LookupError, zlib.error):
        parts.damaged.append(name.decode())


def _xmp(body: bytes) -> bytes:
    rest = body.partition(b"\0")[2]
    is_compressed, text = rest[0], rest[2:].split(b"\0", 2)[2]
    return _inflate(text) if is_compressed else text


def _inflate(data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(data, _LARGEST_PROFILE)
    if unpacking.unconsumed_tail:
        raise ValueError("it unpacks to more than 64 MB")
    return content


def pack_chunk(name: bytes, body: bytes) -> bytes:
    """Packs a chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
