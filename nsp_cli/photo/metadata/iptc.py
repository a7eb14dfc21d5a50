"""Photoshop's image resources, the blocks in which JPEG and TIFF carry IPTC."""

from __future__ import annotations

import struct
from typing import NamedTuple

IPTC_RESOURCE = 0x0404
RESOURCES_DAMAGED = "IPTC and other image resources are damaged and not kept"
_THUMBNAILS = (0x0409, 0x040C)  # show the photo before denoising
_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_DATASET_MARK = 0x1C
_EXTENDED = 0x8000  # the length's own length follows instead

IPTC_ERRORS = (ValueError, struct.error)
"""What damaged resources raise here."""


class Resource(NamedTuple):
    """One resource; `name` is the Pascal string as stored, nearly always empty."""

    signature: bytes
    number: int
    name: bytes
    data: bytes


def read_resources(block: bytes) -> list[Resource]:
    """Reads a block of resources, without the prefix that a JPEG puts before it.

    Raises:
        ValueError, struct.error: The block is damaged.
    """
    resources, place = [], 0
    while block[place : place + 4].strip(b"\0"):  # some writers pad the end with zeros
        signature, number, name_size = struct.unpack_from(">4sHB", block, place)
        start = place + 6 + _even(1 + name_size)
        size = struct.unpack_from(">I", block, start)[0]
        data = block[start + 4 : start + 4 + size]
        if signature not in _SIGNATURES or len(data) < size:
            raise ValueError("image resources run past their end")
        resources.append(Resource(signature, number, block[place + 6 : start], data))
        place = start + 4 + _even(size)
    return resources


def pack_resources(resources: list[Resource]) -> bytes:
    """Packs what `read_resources` reads."""
    return b"".join(
        signature
        + struct.pack(">H", number)
        + name
        + struct.pack(">I", len(data))
        + data
        + bytes(len(data) % 2)
        for signature, number, name, data in resources
    )


def clean_resources(block: bytes | None) -> tuple[bytes | None, bool]:
    """Returns the resources without their thumbnail, and whether they were readable; None if none remain."""
    if not block:
        return None, True
    try:
        resources = read_resources(block)
    except IPTC_ERRORS:
        return None, False
    kept = [resource for resource in resources if resource.number not in _THUMBNAILS]
    return (block if kept == resources else pack_resources(kept)) or None, True


def is_thumbnail(resource: Resource) -> bool:
    """Tells whether a resource shows the photo before denoising."""
    return resource.number in _THUMBNAILS


def iptc_record(block: bytes) -> bytes | None:
    """Returns the IPTC record among resources; None if there is none, or more than one.

    Raises:
        ValueError, struct.error: The block is damaged.
    """
    records = [resource.data for resource in read_resources(block) if resource.number == IPTC_RESOURCE]
    return records[0] if len(records) == 1 else None


def with_iptc(block: bytes | None, record: bytes) -> bytes:
    """Returns resources whose IPTC is `record`; damaged resources are left out.

    A TIFF may hold a record beside the resources, and most programs prefer that one.
    """
    try:
        others = [resource for resource in read_resources(block or b"") if resource.number != IPTC_RESOURCE]
    except IPTC_ERRORS:
        others = []
    return pack_resources([Resource(b"8BIM", IPTC_RESOURCE, b"\0\0", record), *others])


def iptc_fields(record: bytes) -> dict[tuple[int, int], tuple[bytes, ...]]:
    """Returns the values of each (record, dataset) number; padding after the last one is skipped.

    Raises:
        ValueError, struct.error: The record is damaged.
    """
    fields: dict[tuple[int, int], tuple[bytes, ...]] = {}
    place = 0
    while place < len(record) and record[place] == _DATASET_MARK:
        group, number, size = struct.unpack_from(">xBBH", record, place)
        place += 5
        if size & _EXTENDED:
            width = size - _EXTENDED
            size = int.from_bytes(record[place : place + width], "big")
            place += width
        value = record[place : place + size]
        if len(value) < size:
            raise ValueError("IPTC runs past its end")
        fields[group, number] = (*fields.get((group, number), ()), value)
        place += size
    return fields


def _even(size: int) -> int:
    return size + size % 2
