"""All formats by name, and the tables that follow from their specifications."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from nsp_cli.errors import InputError, OutputError
from nsp_cli.photo.formats import NAMES
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata.bmff import brands
from nsp_cli.photo.sniffing import read_head

SPECS: dict[str, FormatSpec] = {name: import_module(f"nsp_cli.photo.formats.{name}").SPEC for name in NAMES}
_WRITTEN = [spec for spec in SPECS.values() if spec.is_written]
RAW_SUFFIXES = frozenset(SPECS["raw"].suffixes)
WRITABLE_SUFFIXES = {suffix: spec.name for spec in _WRITTEN for suffix in spec.suffixes}
PHOTO_SUFFIXES = frozenset(suffix for spec in SPECS.values() for suffix in spec.all_suffixes)
EIGHT_BIT_FORMATS = tuple(spec.name for spec in _WRITTEN if spec.depths == (8,))
_FALLBACK = ".tif"
FORMAT_SUFFIXES = {spec.name: spec.suffixes[0] for spec in _WRITTEN} | {"raw": _FALLBACK}
"""Suffix of a result by its format; "raw" stands for the default result of a RAW file."""

# What other programs' files start with, for an error that names them.
_FOREIGN = {
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop document",
    b"v/1\x01": "an OpenEXR picture",
    b"P1\n": "a PBM",
    b"P4\n": "a PBM",
    b"P7\n": "a PAM",
    b"PF\n": "a PFM",
    b"Pf\n": "a PFM",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\xff\x4f\xff\x51": "a JPEG 2000",
    b"gimp xcf": "a GIMP",
    b"#?RADIANCE": "a Radiance",
    b"qoif": "a QOI",
}
FOREIGN_SUFFIXES = frozenset(
    {".gif", ".jp2", ".j2k", ".jpx", ".psd", ".psb", ".exr", ".xcf", ".pbm", ".pam", ".pfm", ".hdr"}
    | {".tga", ".qoi"}
)
"""Suffixes of pictures that nsp does not read, so that a run can name those that it left out."""
# The same by what the first box of a file names.
_BRANDS = {b"mif3": "a low-overhead HEIF or AVIF (mif3)", b"jp2 ": "a JPEG 2000"}


def recognised(path: Path) -> FormatSpec | None:
    """Format of a file by its content; by its suffix only where RAW files cannot be told from a TIFF."""
    head = read_head(path)
    return next((spec for spec in SPECS.values() if spec.recognise(path, head)), None)


def suffix_by_content(path: Path) -> str:
    """Suffix of a file's format by its content alone; none if that is not known."""
    spec = recognised(path)
    return "" if spec is None else ".dng" if spec.name == "raw" else spec.suffixes[0]


def unsupported(path: Path) -> InputError:
    """Makes the error for a file that nsp cannot read, and names its kind where that is known."""
    head = read_head(path)
    kind = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        kind = next((name for brand, name in _BRANDS.items() if brand in brands(head)), "a video")
    readable = ", ".join(spec.label for spec in SPECS.values() if spec.read is not None)
    message = f"{path} is not a photo." if kind is None else f"{path} is {kind} file."
    return InputError(message, f"Use a file of a format that nsp reads: {readable}.")


def format_of(path: Path) -> str:
    """Name of the format that a suffix stands for.

    Raises:
        OutputError: nsp writes no format with this suffix.
    """
    try:
        return WRITABLE_SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise OutputError(
            f"{path} has no suffix of a format that nsp writes.",
            f"Use one of {', '.join(sorted(WRITABLE_SUFFIXES))}.",
        ) from None


def result_suffix(photo: Path) -> str:
    """Suffix of a photo's result if the user asks for no format: its own if that can hold the result."""
    suffix = photo.suffix.lower()
    spec = next((spec for spec in SPECS.values() if suffix in spec.all_suffixes), None)
    return _FALLBACK if spec is None else spec.result_suffix(photo)
