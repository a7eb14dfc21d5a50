"""The boxes of HEIF and related files: size, depth, colour, turn and metadata of the main picture."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nsp_cli.photo.metadata.bmff import boxes, file_box, first_box
from nsp_cli.photo.metadata.bounds import check_count
from nsp_cli.photo.metadata.dcf import is_adobe_rgb
from nsp_cli.photo.metadata.patching import clean_exif, set_orientation
from nsp_cli.photo.stated_colours import StatedColours, profile_of

BOX_ERRORS = (ValueError, LookupError, struct.error)
"""What damaged boxes raise here."""

_LONGEST = 2**26
_UNSPECIFIED = 2  # by H.273
_FULL_RANGE = 0x80
_NO_NUMBERS = struct.pack(">HHHB", _UNSPECIFIED, _UNSPECIFIED, _UNSPECIFIED, _FULL_RANGE)
XMP_TYPE = b"application/rdf+xml"


@dataclass(frozen=True)
class PictureFacts:
    """The main picture as its boxes describe it, before any of it is decoded."""

    height: int  # as stored
    width: int
    bit_depth: int  # 0 if not stated
    quarter_turns: int  # to the left, to be shown upright
    mirror: int | None  # after turning: 0 swaps top and bottom, 1 left and right
    icc_profile: bytes | None
    primaries: int  # by H.273; 2 where not stated, as transfer
    transfer: int
    exif: bytes | None
    xmp: bytes | None
    is_cropped: bool
    is_grey: bool
    is_narrow: bool  # black is 16 and white 235 of 8 bits; decoders make full range of colour, not of grey

    def profile(self, path: Path) -> tuple[bytes | None, tuple[str, ...]]:
        """Returns the profile of the colours (None for sRGB), and notes.

        Raises:
            InputError: They are of high dynamic range, or not supported.
        """
        is_stated = (self.primaries, self.transfer) != (_UNSPECIFIED, _UNSPECIFIED)
        stated = StatedColours(
            self.icc_profile,
            self.primaries if is_stated else None,
            self.transfer,
            is_adobe_rgb=is_adobe_rgb(self.exif),
        )
        return profile_of(path, stated, is_grey=self.is_grey)


def read_picture_facts(path: Path) -> PictureFacts:
    """Reads the boxes of a file.

    Raises:
        ValueError, LookupError, struct.error: They are damaged, or describe no picture.
    """
    parts = dict(boxes(file_box(path, b"meta")[4:]))
    described = item_properties(parts[b"iprp"], main_item(parts[b"pitm"]))
    kinds: dict[bytes, bytes] = {}
    for kind, body in described:
        kinds.setdefault(kind, body)
    if b"ispe" not in kinds:
        raise ValueError("nothing states the size of its picture")
    width, height = struct.unpack_from(">II", kinds[b"ispe"], 4)
    colours = {body[:4]: body[4:] for kind, body in described if kind == b"colr"}
    primaries, transfer, range_flag = struct.unpack_from(">HHxxB", colours.get(b"nclx", _NO_NUMBERS))
    exif, xmp = _metadata(path, parts)
    return PictureFacts(
        height,
        width,
        _depth(kinds),
        kinds[b"irot"][0] & 3 if b"irot" in kinds else 0,
        kinds[b"imir"][0] & 1 if b"imir" in kinds else None,
        colours.get(b"prof") or colours.get(b"rICC"),
        primaries,
        transfer,
        exif,
        xmp,
        b"clap" in kinds,
        _is_grey(kinds),
        range_flag & _FULL_RANGE == 0,
    )


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a file's main picture, as stored.

    Raises:
        ValueError, LookupError, struct.error: The boxes are damaged.
    """
    facts = read_picture_facts(path)
    return facts.width, facts.height


def stored_depth(path: Path) -> int:
    """Returns the bits per channel of a file's main picture; 0 if they are not stated or unreadable."""
    try:
        return read_picture_facts(path).bit_depth
    except (*BOX_ERRORS, OSError):
        return 0


def upright(exif: bytes | None, xmp: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Sets the orientation in EXIF and XMP to "upright", because in these files the boxes alone decide."""
    cleaned, is_readable = clean_exif(exif)
    # Damaged EXIF is passed on, so that read_photo can report it.
    return set_orientation(cleaned, xmp) if is_readable else (exif, xmp)


def main_item(box: bytes) -> int:
    """Returns the number of the main picture, from the box that names it."""
    item: int = struct.unpack_from(">H" if box[0] == 0 else ">I", box, 4)[0]
    return item


def item_properties(iprp: bytes, item: int) -> list[tuple[bytes, bytes]]:
    """Returns kind and body of each property of an item.

    Raises:
        ValueError, LookupError, struct.error: There are none, or the boxes are damaged.
    """
    return properties_of(iprp, {item})[item]


def properties_of(iprp: bytes, items: Collection[int]) -> dict[int, list[tuple[bytes, bytes]]]:
    """Returns kind and body of each property of some items, by item, in one pass over the table.

    Raises:
        ValueError, LookupError, struct.error: An item has none, or the boxes are damaged.
    """
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    every = list(boxes(first_box(iprp, b"ipco")))
    table = io.BytesIO(first_box(iprp, b"ipma"))
    version, wide = number(table, 1), number(table, 3) & 1
    total = 0
    for _ in range(number(table, 4)):
        owner, count = number(table, 2 if version == 0 else 4), number(table, 1)
        total += 1 + count
        check_count(total, "properties of items")
        # The highest bit says whether a reader must understand the property.
        indices = [number(table, 1 + wide) & (0x7FFF if wide else 0x7F) for _ in range(count)]
        if owner in items:
            found.setdefault(owner, [every[index - 1] for index in indices if index > 0])
        if len(found) == len(items):
            return found
    raise ValueError("nothing describes its picture")


def _depth(kinds: dict[bytes, bytes]) -> int:
    """Returns bits per channel as pixi states them, else as the codec's header does."""
    if b"pixi" in kinds:
        return kinds[b"pixi"][5]
    if b"av1C" in kinds:
        flags = kinds[b"av1C"][2]
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return (kinds[b"hvcC"][17] & 7) + 8 if b"hvcC" in kinds else 0


def _is_grey(kinds: dict[bytes, bytes]) -> bool:
    """Tells whether the picture has one channel, as pixi says, else as the codec's header does."""
    if b"pixi" in kinds:
        return kinds[b"pixi"][4] == 1
    if b"av1C" in kinds:
        return bool(kinds[b"av1C"][2] & 0x10)
    return b"hvcC" in kinds and kinds[b"hvcC"][16] & 3 == 0


def _metadata(path: Path, parts: dict[bytes, bytes]) -> tuple[bytes | None, bytes | None]:
    """Returns the first EXIF and the first XMP item."""
    exif = xmp = None
    places = _places(parts.get(b"iloc", b""))
    for item, kind, content in items(parts.get(b"iinf", b"")):
        if kind == b"Exif" and exif is None and item in places:
            data = _content(path, parts, places[item])
            exif = data[4 + struct.unpack_from(">I", data)[0] :]  # the header's offset comes first
        elif kind == b"mime" and content == XMP_TYPE and xmp is None and item in places:
            xmp = _content(path, parts, places[item])
    return exif, xmp


def items(iinf: bytes) -> list[tuple[int, bytes, bytes]]:
    """Returns number, kind and MIME type of each item."""
    found = []
    for kind, body in boxes(iinf[6 if iinf[:1] == b"\0" else 8 :]):
        if kind == b"infe" and body[0] >= 2:
            table = io.BytesIO(body[4:])
            item = number(table, 2 if body[0] == 2 else 4)
            number(table, 2)
            name = table.read(4)
            found.append((item, name, table.read().split(b"\0")[1] if name == b"mime" else b""))
    return found


def _places(iloc: bytes) -> dict[int, tuple[int, list[tuple[int, int]]]]:
    """Returns by item whether its bytes are in the file (0) or the idat box (1), and where and how many."""
    table = io.BytesIO(iloc)
    version, _ = number(table, 1), number(table, 3)
    sizes = number(table, 2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    places, total = {}, 0
    for _ in range(number(table, 2 if version < 2 else 4)):
        item = number(table, 2 if version < 2 else 4)
        method = number(table, 2) & 15 if version > 0 else 0
        number(table, 2)
        start = number(table, base)
        extents, count = [], number(table, 2)
        total += 1 + count
        check_count(total, "items and extents")  # which may take no bytes at all
        for _ in range(count):
            number(table, index if version > 0 else 0)
            extents.append((start + number(table, offset), number(table, length)))
        places[item] = (method, extents)
    return places


def _content(path: Path, parts: dict[bytes, bytes], place: tuple[int, list[tuple[int, int]]]) -> bytes:
    method, extents = place
    if method > 1 or sum(length for _, length in extents) > _LONGEST:
        raise ValueError("its metadata is in no plausible place")
    if method == 1:
        return b"".join(parts[b"idat"][start : start + length] for start, length in extents)
    with path.open("rb") as file:
        return b"".join(_at(file, start, length) for start, length in extents)


def _at(file: io.BufferedReader, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def number(table: io.BytesIO, size: int) -> int:
    """Reads a whole number of `size` bytes.

    Raises:
        ValueError: The table ends before.
    """
    data = table.read(size)
    if len(data) < size:
        raise ValueError("a table runs past the end")
    return int.from_bytes(data, "big")
