"""Changes in place to the few values in EXIF and XMP that would be wrong for the new pixels.

Nothing is decoded and rebuilt, because maker notes hold offsets into the EXIF block and
rebuilding breaks them. Everything else in the block stays as the camera wrote it.
"""

from __future__ import annotations

import re
import struct

from nsp_cli.photo.metadata.ifd import EXIF_IFD, IFD_ERRORS, ORIENTATION, Directory, read_block
from nsp_cli.photo.metadata.ifd_rows import LONG, SHORT, number_at, row_places, with_numbers
from nsp_cli.photo.metadata.resolution import are_alike, dpi_block, dpi_of, with_dpi
from nsp_cli.photo.metadata.tiff_layout import Layout, read_layout

EXIF_DAMAGED = "EXIF is damaged and not kept"
_EXIF_PREFIX = b"Exif\0\0"
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 513, 514
# Width, height: in IFD0 some phones write them, in the Exif directory all do.
_IFD0_SIZE, _EXIF_SIZE = (256, 257), (40962, 40963)
_XMP_WIDTHS = (b"tiff:ImageWidth", b"exif:PixelXDimension")
_XMP_HEIGHTS = (b"tiff:ImageLength", b"exif:PixelYDimension")


def clean_exif(data: bytes | None) -> tuple[bytes | None, bool]:
    """Returns the TIFF block of an EXIF segment without its thumbnail, and whether it was readable.

    A block whose directories cannot be read is not kept, because it cannot be patched.
    """
    if not data:
        return None, True
    block = data.removeprefix(_EXIF_PREFIX)
    try:
        return _without_thumbnail(block), True
    except IFD_ERRORS:
        return None, False


def exif_dpi(exif: bytes | None) -> tuple[float, float] | None:
    """Returns the resolution in a cleaned block, for formats with no place of their own."""
    try:
        return None if exif is None else dpi_of(*_directory(exif))
    except IFD_ERRORS:
        return None


def exif_with_dpi(exif: bytes | None, dpi: tuple[float, float] | None) -> bytes | None:
    """Returns a block that states a resolution, for files with no other place for it."""
    stated = exif_dpi(exif)
    if dpi is None or (stated is not None and are_alike(stated, dpi)):
        return exif
    return dpi_block(dpi) if exif is None else with_dpi(exif, dpi)


def _directory(exif: bytes) -> tuple[Directory, str]:
    directory, layout = read_block(exif)
    return directory, layout.order


def orientation_of(exif: bytes | None) -> int:
    """Returns how the stored pixels must be turned for display: 1 to 8, 1 meaning not at all."""
    if exif is None:
        return 1
    layout, start = read_layout(exif)
    place = row_places(exif, layout, start)[0].get(ORIENTATION)
    value = 1 if place is None else number_at(exif, layout, place)
    return value if 1 <= value <= 8 else 1


def set_orientation(exif: bytes | None, xmp: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Sets the orientation to "upright" in both blocks, where they state one."""
    if exif is not None:
        layout, start = read_layout(exif)
        place = row_places(exif, layout, start)[0].get(ORIENTATION)
        exif = exif if place is None else with_numbers(exif, layout, {place: (SHORT, 1)})
    return exif, None if xmp is None else _patch_xmp(xmp, (b"tiff:Orientation",), 1)


def set_size(
    exif: bytes | None, xmp: bytes | None, height: int, width: int
) -> tuple[bytes | None, bytes | None]:
    """Puts the photo's size into every EXIF and XMP field that states one; adds none."""
    if exif is not None:
        exif = _set_exif_size(exif, height, width)
    if xmp is not None:
        xmp = _patch_xmp(_patch_xmp(xmp, _XMP_WIDTHS, width), _XMP_HEIGHTS, height)
    return exif, xmp


def _set_exif_size(block: bytes, height: int, width: int) -> bytes:
    layout, start = read_layout(block)
    rows, _ = row_places(block, layout, start)
    changes = _size_changes(rows, _IFD0_SIZE, height, width)
    if EXIF_IFD in rows:
        inner, _ = row_places(block, layout, number_at(block, layout, rows[EXIF_IFD]))
        changes |= _size_changes(inner, _EXIF_SIZE, height, width)
    return with_numbers(block, layout, changes)


def _size_changes(
    rows: dict[int, int], tags: tuple[int, int], height: int, width: int
) -> dict[int, tuple[int, int]]:
    """Returns {row: (LONG, value)}; LONG fits into the row whatever type was there before."""
    return {rows[tag]: (LONG, value) for tag, value in zip(tags, (width, height), strict=True) if tag in rows}


def _without_thumbnail(block: bytes) -> bytes:
    """Unlinks IFD1 and removes its picture, which shows the photo before denoising.

    Raises:
        ValueError, struct.error: The block is damaged.
    """
    layout, start = read_layout(block)
    if layout.inline != 4:
        raise ValueError("an EXIF block is never BigTIFF")
    rows, link = row_places(block, layout, start)
    if EXIF_IFD in rows:  # prove that it can be walked later, also after other rows were patched
        inner = number_at(block, layout, rows[EXIF_IFD])
        _, end = row_places(block, layout, inner)
        if inner < link and start < end:
            raise ValueError("its directories overlap")
    link, second = _second_directory(block, layout, start)
    if second == 0:
        return block
    first, end = _thumbnail_range(block, layout, second)
    unlinked = block[:link] + bytes(4) + block[link + 4 :]
    rest = unlinked[end:].strip(b"\0\xff")  # some cameras pad after it
    return unlinked[:first] + (bytes(end - first) + unlinked[end:] if rest else b"")


def _second_directory(block: bytes, layout: Layout, start: int) -> tuple[int, int]:
    """Returns the place of the link to IFD1, and the link, which is 0 if there is no IFD1."""
    _, link = row_places(block, layout, start)
    # Some cameras leave the link out altogether where there is no thumbnail.
    return link, struct.unpack_from(layout.order + "I", block, link)[0] if link + 4 <= len(block) else 0


def thumbnail_range(block: bytes) -> tuple[int, int] | None:
    """Returns where the thumbnail of an EXIF block begins and ends; None without a second directory.

    Raises:
        ValueError, struct.error: The block is damaged.
    """
    layout, start = read_layout(block)
    _, second = _second_directory(block, layout, start)
    return _thumbnail_range(block, layout, second) if second else None


def _thumbnail_range(block: bytes, layout: Layout, start: int) -> tuple[int, int]:
    """Returns where IFD1's JPEG begins and ends; an empty range at the end where it has none."""
    try:
        rows = row_places(block, layout, start)[0]
        first = number_at(block, layout, rows[_THUMBNAIL_OFFSET])
        end = first + number_at(block, layout, rows[_THUMBNAIL_LENGTH])
    except (*IFD_ERRORS, KeyError):
        return len(block), len(block)
    # Only where a JPEG really is: a wrong offset must not wipe something else.
    is_jpeg = block[first : first + 2] == b"\xff\xd8"
    return (first, min(end, len(block))) if is_jpeg else (len(block), len(block))


def _patch_xmp(packet: bytes, names: tuple[bytes, ...], value: int) -> bytes:
    """Replaces a number in both spellings: name="6" and <name>6</name>."""
    pattern = rb"((?:" + b"|".join(names) + rb")(?:\s*=\s*[\"']|\s*>)\s*)\d+"
    return re.sub(pattern, rb"\g<1>" + str(value).encode(), packet)
