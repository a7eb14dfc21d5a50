"""The metadata of a TIFF or DNG file, for the check of what was written."""

from __future__ import annotations

import dataclasses
from typing import BinaryIO

from nsp_cli.photo.metadata import ifd, tiff_directories
from nsp_cli.photo.metadata.blocks import LEFT, OUTDATED, Blocks, damaged_tags, mark_overlapping
from nsp_cli.photo.metadata.bounds import directory_chain
from nsp_cli.photo.metadata.ifd import Directory
from nsp_cli.photo.metadata.iptc import clean_resources, with_iptc
from nsp_cli.photo.metadata.resolution import dpi_of
from nsp_cli.photo.metadata.tiff_layout import Layout, read_layout
from nsp_cli.photo.photo import Extra

_SUB_IFDS, _TRANSFER_FUNCTION = 330, 301


def first_directory_blocks(file: BinaryIO) -> Blocks:
    """Reads the first directory. In a DNG it describes a preview and holds the metadata."""
    layout, offset = read_layout(file.read(16))
    return _of_directory(ifd.read_directory(file, layout, offset), layout, offset)


def full_size_blocks(file: BinaryIO) -> Blocks:
    """Reads the first directory that is not a thumbnail's, as other programs do."""
    layout, _ = read_layout(file.read(16))
    places = directory_chain(file)
    frugal = ifd.Frugal(file)
    read = {offset: ifd.read_directory(frugal, layout, offset) for offset in places}
    full = [offset for offset in places if not tiff_directories.is_reduced(read[offset], layout.order)]
    if not full:
        raise ValueError("it holds no full-size picture")
    blocks = _of_directory(read[full[0]], layout, full[0])
    below = (ifd.read_directory(frugal, layout, place) for place in sub_places(read[full[0]], layout.order))
    others = (*(read[offset] for offset in places if offset != full[0]), *below)
    extras = (*_transfer_function(read[full[0]]), *(_as_extra(other, layout.order) for other in others))
    return dataclasses.replace(blocks, extras=extras)


def _transfer_function(directory: Directory) -> tuple[Extra, ...]:
    """A table of the stored pixels' curve. Few programs use it, and it would not fit other pixels."""
    found = (entry.value for entry in directory.entries if entry.tag == _TRANSFER_FUNCTION)
    return tuple(Extra(LEFT, "the transfer function", value) for value in found)


def sub_places(directory: Directory, order: str) -> tuple[int, ...]:
    """Returns the places of the directories of further pictures that a directory points to."""
    return ifd.numbers(directory, order, _SUB_IFDS)


def _as_extra(directory: Directory, order: str) -> Extra:
    if tiff_directories.is_mask(directory, order):
        return Extra(LEFT, "a mask", b"")
    is_small = tiff_directories.is_reduced(directory, order)
    return Extra(OUTDATED, "Thumbnail", b"") if is_small else Extra(LEFT, "a further picture", b"")


def _of_directory(directory: Directory, layout: Layout, offset: int) -> Blocks:
    mark_overlapping(directory, layout, offset)
    values = {entry.tag: entry.value for entry in directory.entries}
    resources, record = values.get(tiff_directories.RESOURCES_TAG), values.get(tiff_directories.IPTC_TAG)
    dpi = dpi_of(directory, layout.order)
    damaged = [f"TIFF tag {tag}" for tag in damaged_tags(directory)]
    damaged += [] if clean_resources(resources)[1] else ["image resources"]
    return Blocks(
        dataclasses.replace(directory, entries=tiff_directories.about_the_shot(directory)),
        layout.order,
        xmp=values.get(tiff_directories.XMP_TAG),
        resources=resources if record is None else with_iptc(resources, record),
        icc_profile=tiff_directories.stated_profile(directory, layout.order),
        dpi=() if dpi is None else (dpi,),
        damaged=tuple(damaged),
    )
