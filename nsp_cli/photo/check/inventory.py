"""All metadata of a file as one list of facts that can be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from PIL import ExifTags

from nsp_cli.photo.metadata import ifd, iptc, xmp
from nsp_cli.photo.metadata.blocks import (
    COMMENT,
    DPI,
    EXIF,
    GPS,
    ICC,
    IPTC,
    MAKER_NOTE,
    RESOURCES,
    TEXT,
    XMP,
    Blocks,
)
from nsp_cli.photo.metadata.ifd import Directory
from nsp_cli.photo.metadata.texts import text_of
from nsp_cli.photo.photo import Extra

_DIRECTORIES = {ifd.EXIF_IFD: "Photo", ifd.GPS_IFD: "GPSInfo", ifd.INTEROP_IFD: "Iop"}
_CHANGING = b"0123456789 \t\n\r\v\f"


class Key(NamedTuple):
    """The name of a fact: its kind, a name for people, and its tag in EXIF's first directory, else 0."""

    kind: str
    name: str
    first_tag: int = 0

    @property
    def label(self) -> str:
        """The name for people; that of the kind where the fact has none."""
        return self.name or self.kind


Inventory = dict[Key, Any]


def inventory(blocks: Blocks) -> Inventory:
    """Lists the facts in a file's blocks; what cannot be read is not among them.

    XMP that is not well-formed is one fact, its text without numbers and spacing: the size in it changes.
    """
    facts: Inventory = {}
    if blocks.exif is not None:
        facts.update(_exif_facts(blocks.exif, "Image"))
    if blocks.has_thumbnail:
        facts[Key(EXIF, "Thumbnail")] = True
    if blocks.xmp:
        facts.update(_xmp_facts(blocks.xmp))
    if blocks.resources:
        facts.update(_resource_facts(blocks.resources))
    if blocks.icc_profile:
        facts[Key(ICC, "ICC profile")] = blocks.icc_profile
    if blocks.dpi:
        facts[Key(DPI, "resolution")] = blocks.dpi
    facts.update(_extra_facts(blocks.extras))
    return facts


def _extra_facts(extras: Iterable[Extra]) -> Inventory:
    """Lists further blocks; several of one name are one fact, because their order does not matter."""
    found = defaultdict[Key, list[Any]](list)
    for extra in extras:
        content = extra.content
        found[Key(extra.kind, extra.name)].append(
            text_of(content) if extra.kind in (COMMENT, TEXT) else content
        )
    return {key: sorted(contents) for key, contents in found.items()}


def _exif_facts(directory: Directory, name: str) -> Iterator[tuple[Key, Any]]:
    for entry in directory.entries:
        is_note = name == "Photo" and entry.tag == ifd.MAKER_NOTE_TAG
        kind = GPS if name == "GPSInfo" else MAKER_NOTE if is_note else EXIF
        first_tag = entry.tag if name == "Image" else 0
        yield Key(kind, f"Exif.{name}.{_tag_name(name, entry.tag)}", first_tag), entry[1:]
    for tag, child in directory.children.items():
        yield from _exif_facts(child, _DIRECTORIES[tag])


def _tag_name(directory: str, tag: int) -> str:
    names = {"GPSInfo": ExifTags.GPSTAGS, "Iop": {}}.get(directory, ExifTags.TAGS)
    return names.get(tag, f"0x{tag:04x}")


def _xmp_facts(packet: bytes) -> Iterator[tuple[Key, Any]]:
    try:
        for name, value in xmp.properties(packet).items():
            yield Key(XMP, name), value
    except ValueError:
        yield Key(XMP, "packet"), packet.rstrip(b"\0").translate(None, _CHANGING)


def _resource_facts(block: bytes) -> Iterator[tuple[Key, Any]]:
    try:
        resources = iptc.read_resources(block)
    except iptc.IPTC_ERRORS:
        return
    for resource in resources:
        if resource.number == iptc.IPTC_RESOURCE:
            yield from _iptc_facts(resource.data)
        elif iptc.is_thumbnail(resource):
            yield Key(RESOURCES, "Thumbnail"), True
        else:
            yield Key(RESOURCES, f"0x{resource.number:04x}"), resource.data


def _iptc_facts(record: bytes) -> Iterator[tuple[Key, Any]]:
    try:
        for (group, number), values in iptc.iptc_fields(record).items():
            yield Key(IPTC, f"Iptc.{group}.{number}"), values
    except iptc.IPTC_ERRORS:
        yield Key(IPTC, "Iptc"), record
