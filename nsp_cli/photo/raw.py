"""Camera RAW: developed to 16-bit sRGB as the camera would have, and what the file says about the shot."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from nsp_cli.errors import InputError
from nsp_cli.photo import exif as ifd
from nsp_cli.photo.data import Pixels
from nsp_cli.photo.disk import check_size, damaged, read_head
from nsp_cli.photo.exif import Directory, Entry

_SUFFIXES = """
    .3fr .arw .bay .cap .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .k25 .kdc .mdc .mef .mos .mrw
    .nef .nrw .orf .pef .ptx .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f
"""
RAW_SUFFIXES = frozenset(_SUFFIXES.split())
# RAW files that are no plain TIFF say so at the start, or a little later.
_SIGNATURES = (b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_LATER_SIGNATURES = {4: b"ftypcrx ", 6: b"HEAPCCDR", 8: b"CR"}
_TIFF = (b"II*\0", b"MM\0*")
_DNG_VERSION = 50706
_SRGB_GAMMA = (2.4, 12.92)  # LibRaw's default is BT.709's curve, which an sRGB profile would misread
_ERRORS = (*ifd.ERRORS, OSError)


@dataclass(frozen=True, eq=False)
class RawImage:
    """A developed RAW file, upright."""

    pixels: Pixels  # (H, W, 3) uint16, sRGB
    exif: bytes | None  # TIFF block without the maker's note


def is_raw(path: Path) -> bool:
    """Tells whether a file is to be developed rather than decoded.

    A RAW signature or a DNG version tag decides; for files that start like any TIFF, or like nothing
    known, the suffix does, because most makers' RAW files cannot be told from a TIFF otherwise.
    """
    head = read_head(path)
    if head.startswith(_SIGNATURES) or any(
        head[at:].startswith(mark) for at, mark in _LATER_SIGNATURES.items()
    ):
        return True
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")):
        return False
    return path.suffix.lower() in RAW_SUFFIXES or (head.startswith(_TIFF) and _is_dng(path))


def _is_dng(path: Path) -> bool:
    directory = _first_directory(path)
    return directory is not None and any(entry.tag == _DNG_VERSION for entry in directory[0].entries)


def _first_directory(path: Path) -> tuple[Directory, ifd.Layout] | None:
    with path.open("rb") as file:
        try:
            layout, offset = ifd.read_layout(file.read(16))
            return ifd.read_directory(file, layout, offset), layout
        except _ERRORS:
            return None


def read_raw(path: Path, max_megapixels: float) -> RawImage:
    """Develops a RAW file with the camera's white balance to 16-bit sRGB, turned upright.

    Raises:
        InputError: LibRaw does not know the camera or compression, or the file is damaged or too large.
    """
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            check_size(path, raw.sizes.iheight, raw.sizes.iwidth, max_megapixels)
            # Without automatic brightness, which clips 1 % of the highlights and differs from shot to
            # shot: a dark result can be brightened later, a clipped one cannot be brought back.
            pixels = raw.postprocess(
                use_camera_wb=True,
                no_auto_bright=True,
                output_bps=16,
                output_color=rawpy.ColorSpace.sRGB,
                gamma=_SRGB_GAMMA,
            )
            return RawImage(pixels, _camera_facts(path, raw))
    except rawpy.LibRawFileUnsupportedError as error:
        raise InputError(
            f"{path} cannot be developed: "
            f"LibRaw {libraw_version()} does not know this camera or compression.",
            "Convert it to DNG with Adobe's DNG Converter, or export a 16-bit TIFF from a RAW program.",
        ) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise damaged(path, "RAW", _text(error)) from error


def libraw_version() -> str:
    """Returns the decoder's version, such as "0.22.0"."""
    import rawpy

    return ".".join(str(part) for part in rawpy.libraw_version)


def _text(error: Exception) -> str:
    """Returns LibRaw's words; rawpy hands them over as bytes."""
    words = error.args[0] if error.args else ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(error)


def _camera_facts(path: Path, raw: Any) -> bytes | None:
    """Returns EXIF from the file's own TIFF directory, else from its preview, else from what LibRaw knows.

    The maker's note is left out: its offsets point into a file that the result no longer is.
    """
    found = _first_directory(path) or _preview_directory(raw)
    if found is None or ifd.EXIF_IFD not in found[0].children:
        return _from_libraw(raw, found)
    directory, layout = found
    return ifd.camera_block(_without_maker_note(directory), layout.order)


def _preview_directory(raw: Any) -> tuple[Directory, ifd.Layout] | None:
    """Returns the EXIF directory of the JPEG preview, for RAW files that are no TIFF."""
    import rawpy

    try:
        preview = raw.extract_thumb()
        start = preview.data.find(b"Exif\0\0", 0, 64) if preview.format == rawpy.ThumbFormat.JPEG else -1
        return None if start < 0 else ifd.read_block(preview.data[start + 6 :])
    except (rawpy.LibRawError, rawpy.NotSupportedError, *_ERRORS):
        return None


def _without_maker_note(directory: Directory) -> Directory:
    entries = [entry for entry in directory.entries if entry.tag not in (ifd.MAKER_NOTE, ifd.ORIENTATION)]
    return Directory(entries, {tag: _without_maker_note(child) for tag, child in directory.children.items()})


def _from_libraw(raw: Any, found: tuple[Directory, ifd.Layout] | None) -> bytes | None:
    """Makes EXIF from LibRaw's few facts, added to whatever IFD0 says."""
    order = "<" if found is None else found[1].order
    other, entries = raw.other, []
    if other.iso_speed > 0:
        entries.append(Entry(34855, 3, 1, struct.pack(order + "H", min(round(other.iso_speed), 65535))))
    # LibRaw says 1.0 for a shutter speed or an aperture that it does not know.
    for tag, value, unknown in (
        (33434, other.shutter_speed, 1),
        (33437, other.aperture, 1),
        (37386, other.focal_length, 0),
    ):
        if value > 0 and value != unknown:
            fraction = Fraction(value).limit_denominator(10000)
            entries.append(
                Entry(tag, 5, 1, struct.pack(order + "II", fraction.numerator, fraction.denominator))
            )
    if other.timestamp.year > 1970:
        date = f"{other.timestamp:%Y:%m:%d %H:%M:%S}\0".encode()
        entries.append(Entry(36867, 2, len(date), date))
    known = [] if found is None else _without_maker_note(found[0]).entries
    children = {ifd.EXIF_IFD: Directory(entries)} if entries else {}
    return ifd.camera_block(Directory(known, children), order)
