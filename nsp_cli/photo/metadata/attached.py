"""What phones attach behind a JPEG: a gain map for HDR screens, and a video. XMP promises both."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from nsp_cli.photo.metadata import jpeg_segments
from nsp_cli.photo.metadata.blocks import GAIN_MAP, LEFT, VIDEO
from nsp_cli.photo.metadata.trailers import trailer_extras
from nsp_cli.photo.photo import Extra

_GAIN_MAP_NAMES = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
    b"urn:iso:std:iso:ts:21496",
)
_PADDING = re.compile(rb"Item:Padding\s*(?:=\s*[\"']|>\s*)(\d{1,6})\s*[\"'<]")  # attribute or element
_PICTURE = re.compile(rb"\0*(\xff\xd8\xff)")  # after padding
_MOST_PICTURES = 100  # a phone attaches two or three; each is named in a note
_VIDEO = b"ftyp"
_MPF = b"MPF\0"
_APP2 = 0xE2
_INDEX_START = 4 + len(_MPF)  # after marker, length and name
_PRIMARY = 0x030000  # "baseline MP primary image"; a gain map has the type 0


def attached_extras(trailer: bytes) -> list[Extra]:
    """Takes apart what follows a JPEG's end mark: gain map and video are carried, the rest is only named.

    What follows `_MOST_PICTURES` pictures is one block of an unknown kind, or a video.

    Raises:
        ValueError: A picture has too many segments.
    """
    extras: list[Extra] = []
    place = 0
    for _ in range(_MOST_PICTURES):
        found = _PICTURE.match(trailer, place)
        if found is None:
            break
        place = jpeg_segments.picture_end(trailer, found.start(1)) or len(trailer)
        has_map = any(extra.kind == GAIN_MAP for extra in extras)
        extras += _picture_extras(trailer[found.start(1) : place], has_map=has_map)
    rest = trailer[place:]
    start = rest.find(_VIDEO) - 4  # after the size of the first box
    if start >= 0 and not rest[:start].strip(b"\0"):
        return [*extras, Extra(VIDEO, "", rest[start:])]
    return extras + trailer_extras(rest)


def _picture_extras(picture: bytes, *, has_map: bool) -> list[Extra]:
    if not _is_gain_map(picture):
        return trailer_extras(picture)
    return [Extra(LEFT, "a further gain map", picture) if has_map else Extra(GAIN_MAP, "", picture)]


def _is_gain_map(picture: bytes) -> bool:
    return any(name in content for _, content in jpeg_segments.segments(picture) for name in _GAIN_MAP_NAMES)


def mpf_segment(extras: Iterable[Extra]) -> bytes:
    """Makes room for the index of further pictures (CIPA DC-007) if there is a gain map."""
    has_map = any(extra.kind == GAIN_MAP for extra in extras)
    return _empty_segment() if has_map else b""


def _empty_segment() -> bytes:
    return jpeg_segments.segment(_APP2, _MPF + _index(0, 0, 0))


def with_attached(picture: bytes, extras: Iterable[Extra], packet: bytes | None) -> bytes:
    """Returns a JPEG followed by its gain map and video.

    Args:
        picture: Complete; with the segment of `mpf_segment`.
        extras: Of the photo.
        packet: Its XMP, which may state how many bytes of padding follow the picture.
    """
    parts = {extra.kind: extra.content for extra in extras if extra.kind in (GAIN_MAP, VIDEO)}
    if not parts:
        return picture
    stated = _PADDING.search(packet or b"")
    padding = bytes(int(stated[1])) if stated else b""
    if GAIN_MAP in parts:
        start = picture.index(_empty_segment()) + _INDEX_START
        place = len(picture) + len(padding) - start
        index = _index(len(picture), len(parts[GAIN_MAP]), place)
        picture = picture[:start] + index + picture[start + len(index) :]
    return b"".join((picture, padding, *(parts[kind] for kind in (GAIN_MAP, VIDEO) if kind in parts)))


def _index(size: int, map_size: int, map_place: int) -> bytes:
    """Packs the index of two pictures; places count from its own beginning."""
    rows = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    rows += struct.pack(">HHII", 0xB002, 7, 32, 50)
    entries = struct.pack(">IIIHH", _PRIMARY, size, 0, 0, 0) + struct.pack(
        ">IIIHH", 0, map_size, map_place, 0, 0
    )
    return b"MM\0*" + struct.pack(">IH", 8, 3) + rows + bytes(4) + entries
