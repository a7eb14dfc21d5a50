"""Differences from its source that a written file may have, and why. All others are losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsp_cli.photo.check.inventory import Inventory, Key
from nsp_cli.photo.colour import profile_space
from nsp_cli.photo.formats.registry import SPECS
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.blocks import (
    CHUNK,
    COLOUR_CHUNKS,
    COMMENT,
    DPI,
    EXIF,
    GAIN_MAP,
    ICC,
    OUTDATED,
    RESOURCES,
    VIDEO,
    XMP,
)
from nsp_cli.photo.metadata.promises import DIRECTORY, LENGTH, PROMISES, are_there, semantics
from nsp_cli.photo.metadata.resolution import are_alike
from nsp_cli.photo.provenance import NAMESPACE

_SIZE_TAGS, _SOFTWARE = (256, 257), 305
_EXIF_SIZES = ("Exif.Photo.ExifImageWidth", "Exif.Photo.ExifImageHeight")
_TURNING = tuple(bytes([orientation]) for orientation in range(2, 9))
_XMP_ORIENTATION = "{http://ns.adobe.com/tiff/1.0/}Orientation"
_XMP_SIZES = (
    "{http://ns.adobe.com/tiff/1.0/}ImageWidth",
    "{http://ns.adobe.com/tiff/1.0/}ImageLength",
    "{http://ns.adobe.com/exif/1.0/}PixelXDimension",
    "{http://ns.adobe.com/exif/1.0/}PixelYDimension",
)


@dataclass(frozen=True)
class WrittenFile:
    """The metadata of a written file, its format, and how its pixels were turned.

    Attributes:
        facts: Its metadata.
        file_format: A name in the registry of formats.
        is_upright: Whether the pixels were turned as the source's orientation says.
        is_transposed: Whether that swapped the axes.
    """

    facts: Inventory
    file_format: str
    is_upright: bool = False
    is_transposed: bool = False

    @property
    def spec(self) -> FormatSpec:
        """What the format can hold."""
        return SPECS[self.file_format]


def is_kept(key: Key, value: object, target: WrittenFile) -> bool:
    """Tells whether a fact is in the file as it was."""
    if key not in target.facts:
        return False
    found = target.facts[key]
    if key.kind == DPI:
        return _share_a_resolution(value, found, target.is_transposed)
    if key.first_tag == ifd.ORIENTATION and target.is_upright:
        return bool(found == value) and not _turns(found)
    return bool(found == value)


def _turns(entry: tuple[int, int, bytes]) -> bool:
    return entry[2].strip(b"\0") in _TURNING


def _share_a_resolution(before: object, after: object, is_transposed: bool) -> bool:
    """Tells whether the file keeps at least one of the resolutions that its source states."""
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    turned = [dpi[::-1] if is_transposed else dpi for dpi in before]
    return any(are_alike(old, new) for old in turned for new in after)


def has_no_place(key: Key, value: Any, target: WrittenFile) -> bool:
    """Tells whether the format cannot hold a fact, or is right to lack some of its comments."""
    spec = target.spec.metadata
    if key.kind == COMMENT and key.kind in spec.holds:
        fitting = [text for text in value if len(text.encode()) <= spec.longest_comment]
        return len(fitting) < len(value) and fitting == target.facts.get(key, [])
    return key.kind not in spec.holds


def change_reason(key: Key, value: object, target: WrittenFile) -> str | None:
    """Reason in words why a fact differs or is missing; None if it is lost."""
    if key.kind == EXIF:
        return _exif_reason(key, target)
    if key.kind == XMP:
        return _xmp_reason(key, target)
    if key.kind == ICC and isinstance(value, bytes):
        return _icc_reason(value, target)
    return _block_reason(key, target)


def _block_reason(key: Key, target: WrittenFile) -> str | None:
    if key == Key(RESOURCES, "Thumbnail"):
        return "removed, because it shows the photo before denoising"
    if key.kind == GAIN_MAP and key in target.facts and target.is_upright:
        return "turned with the picture"
    if key.kind == OUTDATED:
        return "left out, because it describes the file as it was"
    if key.kind == CHUNK and key.name in COLOUR_CHUNKS and CHUNK not in target.spec.metadata.holds:
        return "a colour profile says the same, or none where the colours are sRGB"
    return None


def _exif_reason(key: Key, target: WrittenFile) -> str | None:
    if key.name == "Thumbnail":
        return "removed, because it shows the photo before denoising"
    own = target.spec.metadata.own
    if key.first_tag in own.tags:
        return own.reason
    return _other_value(key, target) if key in target.facts else None


def _other_value(key: Key, target: WrittenFile) -> str | None:
    if key.first_tag == ifd.ORIENTATION:
        return "the pixels were turned upright" if _is_one(target.facts[key]) else None
    merged = target.spec.metadata.merged
    if key.first_tag in merged.tags:
        return merged.reason
    if key.first_tag in _SIZE_TAGS or key.name in _EXIF_SIZES:
        return "now the size of the result"
    return "now the program that wrote the result" if key.first_tag == _SOFTWARE else None


def _is_one(entry: tuple[int, int, bytes]) -> bool:
    return entry[2].strip(b"\0") == b"\1"  # in either byte order


def _xmp_reason(key: Key, target: WrittenFile) -> str | None:
    if key.name in _XMP_SIZES and key in target.facts:
        return "now the size of the result"
    if key.name == _XMP_ORIENTATION and target.facts.get(key) == "1":
        return "the pixels were turned upright"
    if key.name.startswith(DIRECTORY):
        return _directory_reason(key, target)
    for kind, names in PROMISES.items():
        if key.name.startswith(names) and not any(fact.kind == kind for fact in target.facts):
            return f"removed, because the result has no {kind}"
    if key.name.startswith(f"{{{NAMESPACE}}}") and key in target.facts:
        return "now describes how this result was made"
    return None


def _directory_reason(key: Key, target: WrittenFile) -> str | None:
    if LENGTH in key.name and key in target.facts and target.is_upright:
        return "now the length of the gain map"
    listed = semantics([(fact.name, value) for fact, value in target.facts.items() if fact.kind == XMP])
    kinds = {fact.kind for fact in target.facts if fact.kind in (GAIN_MAP, VIDEO)}
    return "now lists what follows the picture" if are_there(listed, kinds) else None


def _icc_reason(profile: bytes, target: WrittenFile) -> str | None:
    space = profile_space(profile)
    if space in ("CMYK", "Lab") or (space == "GRAY" and not target.spec.has_grey):
        return "colours converted to sRGB"
    return target.spec.metadata.no_profile or None
