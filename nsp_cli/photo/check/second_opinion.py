"""A second comparison by exiv2, if it is installed. It also reads the contents of maker notes.

exiv2 is under the GPL: an extra of the package (`nsp-cli[metadata]`), which nothing here needs.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from nsp_cli.photo.formats.registry import SPECS
from nsp_cli.photo.metadata.blocks import EXIF, IPTC, XMP
from nsp_cli.photo.metadata.resolution import RESOLUTION_TAGS
from nsp_cli.photo.provenance import PREFIX

_POINTERS = (
    "Exif.Image.ExifTag",
    "Exif.Image.GPSTag",
    "Exif.Photo.InteroperabilityTag",
    "Exif.MakerNote.Offset",
)
_ON_PURPOSE = (
    "Exif.Image.Orientation",
    "Exif.Image.ImageWidth",
    "Exif.Image.ImageLength",
    "Exif.Image.Software",
    "Exif.Photo.PixelXDimension",
    "Exif.Photo.PixelYDimension",
    "Xmp.tiff.Orientation",
    "Xmp.tiff.ImageWidth",
    "Xmp.tiff.ImageLength",
    "Xmp.exif.PixelXDimension",
    "Xmp.exif.PixelYDimension",
    "Xmp.xmpNote.HasExtendedXMP",
)
_KINDS = {"Exif": EXIF, "Xmp": XMP, "Iptc": IPTC}
_STANDARD_GROUPS = ("Image", "Photo", "GPSInfo", "Iop", "Thumbnail")

Listing = dict[str, list[str]]


def losses(source: Path, written: Path, source_format: str, file_format: str) -> list[str] | None:
    """Returns exiv2's names for what is missing or different in the written file, without changes on purpose.

    Args:
        source: The file that was read.
        written: The file made of it, under any name.
        source_format: Format of the file that was read, by its name in the registry.
        file_format: Format of the file made.

    Returns:
        None if exiv2 is not installed or cannot read one of the files.
    """
    before, after = listing(source), listing(written)
    if before is None or after is None or _is_misread(before, after, file_format):
        return None
    differing = [key for key, values in before.items() if values != after.get(key)]
    if "Xmp.xmpNote.HasExtendedXMP" in after:  # which exiv2 does not read
        differing = [key for key in differing if not key.startswith("Xmp.") or key in after]
    return [
        key
        for key in differing
        if not _is_meant(key, source_format, file_format) and not _points_nowhere(key, before)
    ]


def _is_misread(before: Listing, after: Listing, file_format: str) -> bool:
    """Tells whether exiv2 fails to find the EXIF of an intact file."""
    has_exif = [any(key.startswith("Exif.Photo.") for key in keys) for keys in (before, after)]
    return SPECS[file_format].metadata.is_misread_by_exiv2 and has_exif == [True, False]


def is_inside_note(key: str) -> bool:
    """Tells whether a key of exiv2's names a part of a maker note, rather than a tag of the standard."""
    family, group, _ = key.split(".", 2)
    return family == "Exif" and group not in _STANDARD_GROUPS


def _is_meant(key: str, source_format: str, file_format: str) -> bool:
    family, group, name = key.split(".", 2)
    if key in (*_POINTERS, *_ON_PURPOSE) or group == "Thumbnail" or (family, group) == ("Xmp", PREFIX):
        return True
    if _KINDS[family] not in SPECS[file_format].metadata.holds:
        return True
    # In the first directory: what a file says of itself. verify.py compares the resolution on its own.
    own_tags = (SPECS[each].metadata.own.tags for each in (source_format, file_format))
    return group == "Image" and _tag(name) in RESOLUTION_TAGS.union(*own_tags)


def _points_nowhere(key: str, before: Listing) -> bool:
    """Tells whether a key is a preview after the pixels of its file, to which some maker notes point.

    exiv2 reads nothing there in a JPEG, but mistakes a TIFF's pixels for it.
    """
    return key.startswith("Exif.") and before[key] == [""]


def _tag(name: str) -> int:
    import exiv2

    return int(exiv2.ExifKey(f"Exif.Image.{name}").tag())


def listing(path: Path) -> Listing | None:
    """Returns every key that exiv2 finds in a file, with its values; None if it is absent or fails."""
    try:
        import exiv2
    except ImportError:
        return None
    exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)  # exiv2 would print by itself
    try:
        image = exiv2.ImageFactory.open(_addressed(path))
        image.readMetadata()
    except exiv2.Exiv2Error:
        return None
    found: Listing = defaultdict(list)
    data: Any
    for data in (image.exifData(), image.iptcData(), image.xmpData()):
        for datum in data:
            found[datum.key()].append(datum.toString())
    return dict(found)


def _addressed(path: Path) -> str | bytes:
    """Returns a file's name, or its content if exiv2 cannot take the name because it is not text."""
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return name
