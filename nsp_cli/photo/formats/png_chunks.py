"""The chunks of a PNG: the picture for libpng, and everything around it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from nsp_cli.photo.metadata.blocks import CHUNK, COMMENT, LEFT, OUTDATED, TEXT
from nsp_cli.photo.metadata.bounds import limited
from nsp_cli.photo.metadata.texts import COMMENT_KEYWORD, profile_kind, read_profile, read_text
from nsp_cli.photo.metadata.trailers import trailer_extras
from nsp_cli.photo.photo import Extra

XMP_KEYWORD = b"XML:com.adobe.xmp"
_SIGNATURE = 8
_HEADER_NAME = slice(12, 16)  # IHDR always comes first
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_FACTS = (b"iCCP", b"eXIf", b"pHYs", b"acTL")
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"cICP": 4, b"sRGB": 1, b"pHYs": 9}  # some programs refuse others
_SIZE, _METRE = b"pHYs", b"\1"
# What describes the pixels as they were stored: bits that count, colours beside the picture, Apple's places.
_OUTDATED = (b"sBIT", b"bKGD", b"hIST", b"sPLT", b"iDOT")
_KEPT = (b"tIME", b"gAMA", b"cHRM", b"cICP", b"sRGB", b"mDCV", b"cLLI")
# The chunk's own name says whether programs that do not know it may copy it, though they change the pixels.
_SAFE_TO_COPY = 0x20
_LARGEST = 2**26  # bytes, of all that is packed
_MOST_CHUNKS = 2**20  # some programs write pixels in pieces of a kilobyte
_PROFILE_PLACES = {"exif": b"eXIf", "xmp": XMP_KEYWORD, "icc": b"iCCP", "resources": b"8BIM"}
_ERRORS = (ValueError, LookupError, zlib.error)


@dataclass
class PngParts:
    """A file taken apart."""

    picture: list[memoryview]  # the signature and whole chunks, for libpng
    facts: dict[bytes, bytes] = field(
        default_factory=dict
    )  # contents by chunk name, XMP and "8BIM" among them
    hidden: dict[bytes, bytes] = field(default_factory=dict)  # the same facts, from texts
    damaged: list[str] = field(default_factory=list)  # names of chunks that had to be left out
    extras: list[Extra] = field(default_factory=list)
    budget: int = _LARGEST  # bytes that may still be unpacked; a thousand packed profiles would take minutes

    def inflate(self, data: bytes) -> bytes:
        """Unpacks deflated data.

        Raises:
            ValueError, zlib.error: It is damaged, or the file unpacks to more than 64 MB in all.
        """
        if self.budget <= 0:
            raise ValueError("it unpacks to more than 64 MB")
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(data, self.budget)
        self.budget -= len(content)
        if unpacking.unconsumed_tail:
            self.budget = 0
            raise ValueError("it unpacks to more than 64 MB")
        return content


def parse_chunks(data: bytes) -> PngParts:
    """Separates the picture from the metadata around it.

    libpng gets the picture alone, because it prints a line to standard output for every unusual chunk.

    Raises:
        ValueError: The file ends before its end mark, or has no pixels.
    """
    if data[_HEADER_NAME] != b"IHDR":
        raise ValueError("its header is missing")
    parts, end = PngParts([memoryview(data)[:_SIGNATURE]]), _SIGNATURE
    for name, chunk in limited(_walk(data), "chunks", _MOST_CHUNKS):
        end += len(chunk)
        if name in _PICTURE:
            parts.picture.append(chunk)
        else:
            _keep(parts, name, chunk)
    if len(parts.picture) < 4:  # signature, IHDR, IDAT, IEND
        raise ValueError("it holds no picture")
    _settle(parts)
    parts.extras += trailer_extras(data[end:])
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
    """Stores a chunk where it belongs; damaged ones are named."""
    label = name.decode("latin-1")
    try:
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise ValueError("its checksum differs")
        body = bytes(chunk[8:-4])
        if len(body) != _LENGTHS.get(name, len(body)):
            raise ValueError("its length differs")
        if name in _TEXTS:
            _keep_text(parts, name, body)
        elif name == _SIZE and body[-1:] != _METRE:  # the shape of a pixel, which is no resolution
            parts.extras.append(Extra(CHUNK, label, body))
        elif name in _FACTS and name not in parts.facts:
            parts.facts[name] = parts.inflate(body.partition(b"\0")[2][1:]) if name == b"iCCP" else body
            if name == b"acTL":  # of one picture: others are refused
                parts.extras.append(Extra(OUTDATED, "PNG chunk acTL", body))
        elif name in _OUTDATED:
            parts.extras.append(Extra(OUTDATED, f"PNG chunk {label}", body))
        elif name in _KEPT or (name not in _FACTS and name[3] & _SAFE_TO_COPY):
            parts.extras.append(Extra(CHUNK, label, body))
        else:
            parts.extras.append(Extra(LEFT, f"PNG chunk {label}", body))
    except _ERRORS:
        if label not in parts.damaged:
            parts.damaged.append(label)


def _keep_text(parts: PngParts, name: bytes, body: bytes) -> None:
    text = read_text(name, body, parts.inflate)
    if text.keyword.encode("latin-1") == XMP_KEYWORD:
        _keep_fact(parts, parts.facts, XMP_KEYWORD, text.content)
    elif kind := profile_kind(text.keyword):
        place, content = read_profile(kind, text.content)
        _keep_fact(parts, parts.hidden, _PROFILE_PLACES[place], content)
    elif not text.is_plain:
        parts.extras.append(Extra(CHUNK, name.decode(), body))
    elif text.keyword == COMMENT_KEYWORD:
        parts.extras.append(Extra(COMMENT, "", text.content.strip(b"\0")))
    else:
        parts.extras.append(Extra(TEXT, text.keyword, text.content))


def _keep_fact(parts: PngParts, facts: dict[bytes, bytes], key: bytes, content: bytes) -> None:
    if facts.setdefault(key, content) != content:
        parts.extras.append(Extra(LEFT, f"a second block of {_label(key)}", content))


def _settle(parts: PngParts) -> None:
    """Takes facts that texts hide where the file states no others."""
    for key, content in parts.hidden.items():
        _keep_fact(parts, parts.facts, key, content)


def _label(key: bytes) -> str:
    return {b"8BIM": "IPTC", b"eXIf": "EXIF", b"iCCP": "ICC profile"}.get(key, "XMP")


def pack_chunk(name: bytes, body: bytes) -> bytes:
    """Packs a chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
