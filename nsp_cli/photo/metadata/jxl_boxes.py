"""The boxes of a JPEG XL file (ISO/IEC 18181-2): a codestream, and EXIF and XMP beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from nsp_cli.photo.metadata.blocks import LEFT, OUTDATED
from nsp_cli.photo.metadata.bmff import boxes
from nsp_cli.photo.metadata.jxl_header import MAGIC
from nsp_cli.photo.photo import Extra

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
EXIF_BOX, XMP_BOX = b"Exif", b"xml "
_COMPRESSED = b"brob"
_WHOLE, _PART = b"jxlc", b"jxlp"
_CODESTREAM = (_WHOLE, _PART)
_KNOWN = (b"JXL ", b"ftyp", b"jxll", b"jxli", *_CODESTREAM)
_NAMES = {b"jumb": "content credentials (JUMBF)", b"jhgm": "a gain map"}
# Of a compressed box, when it is whole.
_LONGEST = 2**26
_LONGEST_HEADER = 2**12  # with the longest name of a channel

Boxes = list[tuple[bytes, bytes]]


def jxl_boxes(data: bytes) -> Boxes:
    """Boxes of a file, those of metadata without compression. A bare codestream is one box.

    Raises:
        ValueError, struct.error, LookupError: They are damaged.
    """
    if data.startswith(MAGIC):
        return [(_WHOLE, data)]
    return [_whole(kind, body) for kind, body in boxes(data)]


def _whole(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    if kind != _COMPRESSED:
        return kind, body
    import imagecodecs

    try:
        return body[:4], bytes(imagecodecs.brotli_decode(body[4:], out=_LONGEST))
    except (imagecodecs.BrotliError, MemoryError) as error:
        raise ValueError(f"its box {body[:4]!r} cannot be decompressed") from error


def codestream_start(found: Boxes) -> bytes:
    """First bytes of the codestream, more than its header has.

    Raises:
        LookupError: There is none.
    """
    # A file made from a JPEG has so few in its first part that a header may not end there.
    parts = [body[4:] if kind == _PART else body for kind, body in found if kind in _CODESTREAM]
    if not parts:
        raise LookupError("it holds no codestream")
    return b"".join(part[:_LONGEST_HEADER] for part in parts)[:_LONGEST_HEADER]


def metadata_box(found: Boxes, wanted: bytes) -> bytes | None:
    """EXIF, as a TIFF block, or XMP; None if there is none. EXIF begins after a number of bytes to skip."""
    body = next((body for kind, body in found if kind == wanted), None)
    if body is None or wanted != EXIF_BOX:
        return body
    (skipped,) = struct.unpack_from(">I", body)
    return body[4 + skipped :]


def jxl_extras(found: Boxes) -> Iterator[Extra]:
    """Yields what is in no other block: what a result does not have."""
    seen = set()
    for kind, body in found:
        if kind == b"jbrd":  # how to make the JPEG again from which the pixels came
            yield Extra(OUTDATED, "JPEG reconstruction", body)
        elif kind not in _KNOWN and (kind not in (EXIF_BOX, XMP_BOX) or kind in seen):
            yield Extra(LEFT, _NAMES.get(kind, f"box {kind.decode('latin-1').strip()}"), body)
        seen.add(kind)


def with_metadata(data: bytes, exif: bytes | None, xmp: bytes | None) -> bytes:
    """A file with this EXIF and XMP and no other, from the file of an encoder."""
    head: list[bytes] = []
    body: list[bytes] = []
    for kind, content in jxl_boxes(data):
        if kind in _KNOWN[2:]:
            (head if kind == b"jxll" else body).append(_box(kind, content))
    added = [_box(EXIF_BOX, bytes(4) + exif)] if exif else []
    added += [_box(XMP_BOX, xmp)] if xmp else []
    brand = _box(b"ftyp", b"jxl " + bytes(4) + b"jxl ")
    return b"".join((SIGNATURE, brand, *head, *added, *body))


def _box(kind: bytes, body: bytes) -> bytes:
    size = len(body) + 8
    head = struct.pack(">I4s", size, kind) if size < 2**32 else struct.pack(">I4sQ", 1, kind, size + 8)
    return head + body
