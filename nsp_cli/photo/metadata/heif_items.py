"""What a HEIF or AVIF file holds beside its main picture: other items, properties and boxes."""

from __future__ import annotations

import dataclasses
import io
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from nsp_cli.photo.metadata import heif_boxes
from nsp_cli.photo.metadata.blocks import LEFT, OUTDATED, Blocks, exif_blocks
from nsp_cli.photo.metadata.bmff import boxes, file_box, file_boxes
from nsp_cli.photo.metadata.bounds import check_count, limited
from nsp_cli.photo.photo import Extra

_EXIF, _MIME, _TONE_MAP = b"Exif", b"mime", b"tmap"
_BOXES = (b"ftyp", b"meta", b"mdat", b"free", b"skip")
# Read, or of the coding alone. What else says something about the picture, such as its name, is left behind.
_PROPERTIES = (
    *(b"ispe", b"pixi", b"colr", b"irot", b"imir", b"clap", b"auxC", b"hvcC", b"av1C", b"a1op", b"a1lx"),
    *(b"lsel", b"rloc", b"lhvC", b"oinf", b"tols", b"free", b"skip"),
)
_DERIVED = (b"grid", b"iden", b"iovl")
_MOST_REFERENCES = 5000  # a photo of a phone has some dozens
_SQUARE = b"\0\0\0\1\0\0\0\1"
_GAIN_MAPS = (b"hdrgainmap", b"gainmap")
_AUXILIARIES = {
    b"alpha": "",
    b"auxid:1": "",
    b"auxid:2": "a depth map",
    b"depth": "a depth map",
    b"disparity": "a depth map",
}

_References = list[tuple[bytes, int, tuple[int, ...]]]


def heif_blocks(path: Path) -> Blocks:
    """Reads all that a file carries beside its pixels.

    Raises:
        ValueError, LookupError, struct.error: The boxes are damaged.
    """
    facts = heif_boxes.read_picture_facts(path)
    return dataclasses.replace(
        exif_blocks(facts.exif), xmp=facts.xmp, icc_profile=facts.profile(path)[0], extras=heif_extras(path)
    )


def heif_extras(path: Path) -> tuple[Extra, ...]:
    """Lists what belongs to none of the blocks that `read_picture_facts` reads, nor to the main picture.

    Raises:
        ValueError, LookupError, struct.error: The boxes are damaged.
    """
    parts = dict(boxes(file_box(path, b"meta")[4:]))
    main = heif_boxes.main_item(parts[b"pitm"])
    names = [*_pictures(parts, main), *_properties(parts, main), *_boxes(path)]
    return tuple(Extra(kind, name, b"") for kind, name in names)


def _pictures(parts: dict[bytes, bytes], main: int) -> Iterator[tuple[str, str]]:
    references = _references(parts.get(b"iref", b""))
    shown = _parts_of({main}, references)
    thumbnails = [owner for kind, owner, others in references if kind == b"thmb" and main in others]
    auxiliaries = _auxiliaries(parts, shown, references)
    yield from ((OUTDATED, "Thumbnail") for _ in thumbnails)
    yield from ((LEFT, name) for _, name in auxiliaries if name)
    beside = {*thumbnails, *(owner for owner, _ in auxiliaries)}
    yield from _others(parts, shown | _parts_of(beside, references))


def _others(parts: dict[bytes, bytes], known: set[int]) -> Iterator[tuple[str, str]]:
    """Yields the items that are neither known nor the first block of their metadata."""
    items = {number: (kind, mime) for number, kind, mime in heif_boxes.items(parts.get(b"iinf", b""))}
    seen: set[bytes] = set()
    for number, (kind, mime) in items.items():
        is_metadata = kind == _EXIF or (kind == _MIME and mime == heif_boxes.XMP_TYPE)
        if number not in known and not (is_metadata and kind not in seen):
            yield LEFT, _item_name(kind, mime)
        if is_metadata:
            seen.add(kind)


def has_alpha(path: Path) -> bool:
    """Tells whether a file's main picture has transparency; False where the boxes are damaged."""
    try:
        parts = dict(boxes(file_box(path, b"meta")[4:]))
        main = heif_boxes.main_item(parts[b"pitm"])
        references = _references(parts.get(b"iref", b""))
        return any(name == "" for _, name in _auxiliaries(parts, _parts_of({main}, references), references))
    except (*heif_boxes.BOX_ERRORS, OSError):
        return False


def coding_of(path: Path) -> bytes:
    """Returns the four letters that say how a file's main picture is coded, or the first of its tiles.

    Raises:
        ValueError, LookupError, struct.error: The boxes are damaged.
    """
    parts = dict(boxes(file_box(path, b"meta")[4:]))
    main = heif_boxes.main_item(parts[b"pitm"])
    kinds = {number: kind for number, kind, _ in heif_boxes.items(parts.get(b"iinf", b""))}
    shown = _parts_of({main}, _references(parts.get(b"iref", b"")))
    coded = [kinds.get(item, b"") for item in sorted(shown) if kinds.get(item) not in _DERIVED]
    return coded[0] if coded else kinds.get(main, b"")


def _item_name(kind: bytes, mime: bytes) -> str:
    if kind in (_EXIF, _MIME):
        return f"a further block of {mime.decode('latin-1') or 'EXIF'}"
    return "a gain map" if kind == _TONE_MAP else "a further picture"


def _auxiliaries(
    parts: dict[bytes, bytes], shown: set[int], references: _References
) -> list[tuple[int, str]]:
    """Returns the auxiliary pictures of what is shown, and what each is, in words."""
    owners = [owner for kind, owner, to in references if kind == b"auxl" and not shown.isdisjoint(to)]
    properties = heif_boxes.properties_of(parts[b"iprp"], set(owners)) if owners else {}
    return [(owner, _auxiliary(dict(properties[owner]))) for owner in owners]


def _auxiliary(properties: dict[bytes, bytes]) -> str:
    """Returns what an auxiliary picture is, in words; empty for transparency, which is read."""
    urn = properties.get(b"auxC", b"").lower()
    if any(word in urn for word in _GAIN_MAPS):
        return "a gain map"
    return next((name for word, name in _AUXILIARIES.items() if word in urn), "an auxiliary picture")


def _parts_of(items: set[int], references: _References) -> set[int]:
    """Returns items and those that they are made of, such as the tiles of a grid."""
    made_of = defaultdict[int, set[int]](set)
    for kind, owner, others in references:
        if kind == b"dimg":
            made_of[owner].update(others)
    found, new = set(items), list(items)
    while new:
        others_of = made_of[new.pop()] - found
        found |= others_of
        new += others_of
    return found


def _references(iref: bytes) -> _References:
    found: _References = []
    total = 0
    width = 2 if iref[:1] == b"\0" else 4
    for kind, body in limited(boxes(iref[4:]), "references", _MOST_REFERENCES):
        table = io.BytesIO(body)
        owner, count = heif_boxes.number(table, width), heif_boxes.number(table, 2)
        total += count
        check_count(total, "items that others refer to")
        found.append((kind, owner, tuple(heif_boxes.number(table, width) for _ in range(count))))
    return found


def _properties(parts: dict[bytes, bytes], main: int) -> Iterator[tuple[str, str]]:
    for kind, body in heif_boxes.item_properties(parts[b"iprp"], main):
        if kind not in _PROPERTIES and not (kind == b"pasp" and body == _SQUARE):
            yield LEFT, f"property {kind.decode('latin-1').strip()}"


def _boxes(path: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for kind, _, _ in limited(file_boxes(file), "boxes"):
            if kind not in _BOXES:
                yield LEFT, f"box {kind.decode('latin-1').strip()}"
