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
_END_MARK = re.compile(rb"\xff\xd9")
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")


def walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and content of each segment of the first picture; of scans, only the header.

    Skips pixels, and all that does not belong to a segment, as decoders do.

    Raises:
        ValueError: There are too many.
    """
    return ((marker, data[start:end]) for marker, start, end in limited(_walk(data), "segments"))


def _walk(data: bytes, begin: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yields the marker of each segment, and the places where its content begins and ends."""
    place = begin + 2
    while (found := _MARKER.search(data, place)) and (marker := found[1][0]) != _END:
        start = found.end()
        place = start + int.from_bytes(data[start : start + 2], "big")
        yield marker, start + 2, place


def picture_end(data: bytes, begin: int = 0) -> int | None:
    """Returns the place after the end mark of the picture that begins at a place; None if there is no mark.

    Raises:
        ValueError: There are too many segments.
    """
    place = begin + 2
    for _, _, end in limited(_walk(data, begin), "segments"):
        place = end
    found = _END_MARK.search(data, place)
    return None if found is None else found.end()


def without_short(data: bytes, marker: int, prefix: bytes, shortest: int) -> bytes:
    """Returns a JPEG without the segments of a kind that are too short for what they should hold."""
    kept, place = [], 0
    for found, start, end in takewhile(lambda part: part[0] != START_OF_SCAN, _walk(data)):
        if found == marker and data.startswith(prefix, start) and end - start < shortest:
            kept.append(data[place : start - 4])
            place = end
    return b"".join((*kept, data[place:])) if kept else data


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
    made = segment(APP1, XMP_PREFIX + main)
    portions = [] if extension is None else xmp.portions(extension, LONGEST - len(EXTENDED_XMP))
    return made + b"".join(segment(APP1, EXTENDED_XMP + portion) for portion in portions)


def resource_segments(block: bytes | None) -> bytes:
    """Makes the segments of Photoshop's image resources, however many they take."""
    block = block or b""
    step = LONGEST - len(RESOURCES_PREFIX)
    portions = [block[place : place + step] for place in range(0, len(block), step)]
    return b"".join(segment(APP13, RESOURCES_PREFIX + portion) for portion in portions)


def too_long(name: str, size: int) -> OutputError:
    """Makes the error for metadata that does not fit into a segment."""
    return OutputError(
        f"The {name} of this photo has {size} bytes, but a JPEG holds at most {LONGEST}.",
        "Write --format tiff or --format png instead.",
    )


def segment(marker: int, content: bytes) -> bytes:
    """Makes a segment of at most `LONGEST` bytes of content."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
