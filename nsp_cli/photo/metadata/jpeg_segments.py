"""The segments of a JPEG that carry metadata: read and written."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import takewhile

from nsp_cli.errors import OutputError
from nsp_cli.photo.metadata import xmp
from nsp_cli.photo.metadata.bounds import limited

LONGEST = 65533  # bytes of content
EXIF_PREFIX = b"Exif\0\0"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
RESOURCES_PREFIX = b"Photoshop 3.0\0"
APP1, APP13 = 0xE1, 0xED
START_OF_SCAN = 0xDA
_END = 0xD9
# Markers of segments that have a length, and the end mark. A 0 after 255 belongs to the pixels; other
# markers stand alone.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")


def walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and content of each segment of the first picture; of scans, only the header.

    Skips pixels, and all that does not belong to a segment, as decoders do.

    Raises:
        ValueError: There are too many.
    """
    return limited(_walk(data), "segments")


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 2
    while (found := _MARKER.search(data, place)) and (marker := found[1][0]) != _END:
        start = found.end()
        place = start + int.from_bytes(data[start : start + 2], "big")
        yield marker, data[start + 2 : place]


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and content of each segment before the pixels."""
    return takewhile(lambda segment: segment[0] != START_OF_SCAN, walk(data))


def xmp_segments(packet: bytes | None) -> bytes:
    """Makes the segments of an XMP packet; what exceeds one goes into extended XMP.

    Raises:
        OutputError: The packet is longer than a segment, and damaged so that it cannot be divided.
    """
    if packet is None:
        return b""
    try:
        main, extension = xmp.split(packet, LONGEST - len(XMP_PREFIX))
    except ValueError as error:
        raise too_long("XMP", len(packet)) from error
    made = _segment(APP1, XMP_PREFIX + main)
    portions = [] if extension is None else xmp.portions(extension, LONGEST - len(EXTENDED_XMP))
    return made + b"".join(_segment(APP1, EXTENDED_XMP + portion) for portion in portions)


def resource_segments(block: bytes | None) -> bytes:
    """Makes the segments of Photoshop's image resources, however many they take."""
    block = block or b""
    step = LONGEST - len(RESOURCES_PREFIX)
    portions = [block[place : place + step] for place in range(0, len(block), step)]
    return b"".join(_segment(APP13, RESOURCES_PREFIX + portion) for portion in portions)


def too_long(name: str, size: int) -> OutputError:
    """Makes the error for metadata that does not fit into a segment."""
    return OutputError(
        f"The {name} of this photo has {size} bytes, but a JPEG holds at most {LONGEST}.",
        "Write --format tiff or --format png instead.",
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
