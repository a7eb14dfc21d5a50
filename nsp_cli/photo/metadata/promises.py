"""What XMP says of a gain map and a video behind a JPEG: kept true to what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from nsp_cli.photo.metadata import xmp
from nsp_cli.photo.metadata.blocks import GAIN_MAP, VIDEO

_CAMERA, _CONTAINER = (
    "{http://ns.google.com/photos/1.0/camera/}",
    "{http://ns.google.com/photos/1.0/container/}",
)
PROMISES = {
    GAIN_MAP: ("{http://ns.adobe.com/hdr-gain-map/1.0/}", "{http://ns.apple.com/HDRGainMap/1.0/}"),
    VIDEO: (f"{_CAMERA}MotionPhoto", f"{_CAMERA}MicroVideo"),
}
"""Beginnings of the names of XMP properties that say what is attached, by its kind."""
DIRECTORY = f"{_CONTAINER}Directory"
"""The property that lists picture and attachments, each with its length."""
_ITEM = "{http://ns.google.com/photos/1.0/container/item/}"
LENGTH, _SEMANTIC_NAME = f"{_ITEM}Length", f"{_ITEM}Semantic"
_KINDS = {"Primary": None, "GainMap": GAIN_MAP, "RecoveryMap": GAIN_MAP, "MotionPhoto": VIDEO}
# Attributes or elements.
_SEMANTIC = re.compile(rb"Semantic\s*(?:=\s*[\"']|>\s*)(\w+)")
_LENGTH = re.compile(rb"(Length\s*(?:=\s*[\"']|>\s*))\d+")
_LIST_TAG = re.compile(rb"</?[\w.-]+:li\b[^<>]*>")


def with_length(packet: bytes | None, length: int) -> bytes | None:
    """Returns XMP that says how long the gain map is, where it says so; a damaged packet stays as it is."""

    def measured(item: bytes) -> bytes:
        is_map = _KINDS.get(_semantic(item)) == GAIN_MAP
        return _LENGTH.sub(rb"\g<1>%d" % length, item) if is_map else item

    try:
        return packet and _with_items(packet, measured)
    except ValueError:
        return packet


def without_promises(packet: bytes | None, kept: Collection[str]) -> bytes | None:
    """Returns XMP that promises no gain map or video but those kept; a damaged packet stays as it is.

    Args:
        packet: The XMP.
        kept: Kinds of what the file will have: `GAIN_MAP`, `VIDEO`.
    """
    if packet is None:
        return None
    lost = tuple(name for kind, names in PROMISES.items() if kind not in kept for name in names)
    there = {name for name, kind in _KINDS.items() if kind is None or kind in kept}
    try:
        left = _with_items(packet, lambda item: item if _semantic(item) in there else b"")
        return xmp.without(left, lost if kept and _lists_more(left) else (*lost, DIRECTORY))
    except ValueError:
        return packet


def _lists_more(packet: bytes) -> bool:
    """Tells whether a directory lists more than the picture."""
    values = semantics(xmp.properties(packet).items())
    return any(_KINDS.get(value) is not None for value in values)


def semantics(properties: Collection[tuple[str, object]]) -> list[str]:
    """Returns what a directory lists, such as "GainMap", from names and values of XMP properties."""
    return [str(value) for name, value in properties if name.startswith(DIRECTORY) and _SEMANTIC_NAME in name]


def are_there(listed: Collection[str], kinds: Collection[str]) -> bool:
    """Tells whether each thing that a directory lists is the picture, or of one of the kinds."""
    return all(name in _KINDS and (_KINDS[name] is None or _KINDS[name] in kinds) for name in listed)


def _semantic(item: bytes) -> str:
    found = _SEMANTIC.search(item)
    return "" if found is None else found[1].decode("latin-1")


def _with_items(packet: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """Returns a packet whose directories have each item as `edit` makes it.

    Raises:
        ValueError: The packet is damaged.
    """
    return xmp.edited(
        packet, (DIRECTORY,), lambda directory: xmp.replaced(directory, _items(directory), edit)
    )


def _items(directory: bytes) -> Iterator[tuple[int, int]]:
    """Yields where each item of a list begins and ends."""
    depth = start = 0
    for tag in _LIST_TAG.finditer(directory):
        if depth == 0:
            start = tag.start()
        if not tag[0].endswith(b"/>"):
            depth += -1 if tag[0].startswith(b"</") else 1
        if depth == 0:
            yield start, tag.end()
