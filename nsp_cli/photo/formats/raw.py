"""Camera RAW, developed to 16-bit sRGB by LibRaw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.formats.dng_facts import Multipliers, as_shot_multipliers, baseline_exposure
from nsp_cli.photo.formats.raw_checks import check_complete, check_decoded
from nsp_cli.photo.formats.raw_development import Development, RawOptions, developed_by_libraw, tones
from nsp_cli.photo.formats.raw_mosaic import LEAST_MATRIX, read_mosaic, why_not
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.raw_exif import first_directory
from nsp_cli.photo.metadata.raw_facts import read_raw_facts
from nsp_cli.photo.mosaic import Mosaic
from nsp_cli.photo.photo import Photo, as_rgb
from nsp_cli.photo.sniffing import check_size, damaged

_SUFFIXES = (
    *(".3fr", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr"),
    *(".iiq", ".k25", ".kdc", ".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".ptx"),
    *(".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
# RAW files that are no plain TIFF say so at the start, or a little later.
_SIGNATURES = (b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_LATER_SIGNATURES = {4: b"ftypcrx ", 6: b"HEAPCCDR", 8: b"CR"}
_TIFF = (b"II*\0", b"MM\0*")
_DNG_VERSION = 50706


def _recognise(path: Path, head: bytes) -> bool:
    """Tells whether a file must be developed rather than decoded.

    A RAW signature or a DNG version tag decides. For files that start like any TIFF, or like nothing known,
    the suffix decides, because most makers' RAW files cannot be told from a TIFF otherwise.
    """
    if head.startswith(_SIGNATURES) or any(
        head[at:].startswith(mark) for at, mark in _LATER_SIGNATURES.items()
    ):
        return True
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")):
        return False
    return path.suffix.lower() in _SUFFIXES or (head.startswith(_TIFF) and _is_dng(path))


def _is_dng(path: Path) -> bool:
    directory = first_directory(path)
    return directory is not None and any(entry.tag == _DNG_VERSION for entry in directory[0].entries)


def read_raw(path: Path, max_megapixels: float, options: RawOptions, *, keep_mosaic: bool = False) -> Photo:
    """Develops a RAW file to 16-bit sRGB, turned upright; a monochrome sensor gives grey.

    Args:
        path: The file.
        max_megapixels: Larger photos are refused. Their full size counts, even with `options.half`.
        options: How it is developed.
        keep_mosaic: Keep the values of a Bayer sensor, from which better pixels can be made than the quick
            ones that the photo then has. A note says why if they cannot be kept.

    Raises:
        InputError: LibRaw does not know the camera, its compression or its colours, or the file is damaged
            or too large.
    """
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            check_size(path, raw.sizes.iheight, raw.sizes.iwidth, max_megapixels)
            _check_pixels(path, raw)
            white, baseline = _dng_light(path, options)
            notes = _colour_notes(path, raw, options, is_white_known=white is not None)
            way = Development(options, white, is_dng=_is_dng(path))
            linear, mosaic, why = _linear(raw, way, keep_mosaic=keep_mosaic)
            facts = read_raw_facts(path, raw)
    except rawpy.LibRawFileUnsupportedError as error:
        raise InputError(
            f"{path} cannot be developed: "
            f"LibRaw {libraw_version()} does not know this camera or compression.",
            "Convert it to DNG with Adobe's DNG Converter, or export a 16-bit TIFF from a RAW program.",
        ) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise damaged(path, "RAW", _text(error)) from error
    notes += (f"developed by LibRaw before denoising, because of {why}",) if why else ()
    if baseline:
        notes += (f"the file's own exposure of {baseline:+.2g} EV applied",)
    if mosaic is not None:
        mosaic = replace(mosaic, exposure=options.exposure + baseline)
    pixels = tones(options.exposure + baseline)[linear]
    if pixels.shape[2] == 1:
        # Without a profile, because sRGB's is one for colour.
        photo = Photo(as_rgb(pixels[:, :, 0]), None, "raw", True)
    else:
        photo = Photo(pixels, None, "raw", False, srgb_profile(), mosaic=mosaic)
    return replace(
        photo,
        notes=notes + facts.notes,
        exif=facts.exif,
        xmp=facts.xmp,
        resources=facts.resources,
        extras=facts.extras,
    )


def missing_mosaic(path: Path) -> str:
    """What keeps nsp from working on the values of a file's sensor, in words; empty if nothing is known to.

    Raises:
        InputError: LibRaw cannot open the file.
    """
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            return why_not(raw, RawOptions())
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise damaged(path, "RAW", _text(error)) from error


def _linear(raw: Any, way: Development, *, keep_mosaic: bool) -> tuple[Pixels, Mosaic | None, str]:
    """Linear sRGB; the mosaic, if it is wanted; and why there is none, if it is missed."""
    why = why_not(raw, way.options) if keep_mosaic else ""
    if keep_mosaic and not why:
        found = read_mosaic(raw, way)
        if found is not None:
            return found[1].to_srgb(), found[0], ""
        why = "values that do not tell how they are balanced"
    return developed_by_libraw(raw, way), None, why


def _check_pixels(path: Path, raw: Any) -> None:
    """Refuses pixels that are missing, or that LibRaw could not decode, because it returns them as black."""
    try:
        if _is_dng(path):
            check_complete(path)
        check_decoded(raw)
    except ifd.IFD_ERRORS as error:
        raise damaged(path, "RAW", error) from error


def _dng_light(path: Path, options: RawOptions) -> tuple[Multipliers | None, float]:
    """Returns the white balance and the exposure in EV that a DNG states where LibRaw does not look."""
    directory = first_directory(path) if _is_dng(path) else None
    if directory is None:
        return None, 0.0
    facts, layout = directory
    white = as_shot_multipliers(facts, layout.order) if options.white_balance == "camera" else None
    return white, baseline_exposure(facts, layout.order)


def _colour_notes(path: Path, raw: Any, options: RawOptions, *, is_white_known: bool) -> tuple[str, ...]:
    """Notes where LibRaw guesses the colours, and refuses photos whose colours it cannot convert."""
    notes = []
    is_known = raw.color_matrix[0][0] > LEAST_MATRIX or raw.rgb_xyz_matrix.any()
    if raw.num_colors == 4 and not is_known:
        raise InputError(
            f"{path} comes from a sensor of four colours "
            f"that LibRaw {libraw_version()} cannot turn into RGB.",
            "Export a 16-bit TIFF from the maker's program.",
        )
    if raw.num_colors == 3 and not is_known:
        notes.append("the camera's colours are not known; they are approximate")
    is_white_known |= raw.camera_whitebalance[0] > 0
    if raw.num_colors > 1 and options.white_balance == "camera" and not is_white_known:
        notes.append("no white balance in the file; estimated from the picture")
    return tuple(notes)


def libraw_version() -> str:
    """Returns the decoder's version, such as "0.22.0"."""
    import rawpy

    return ".".join(str(part) for part in rawpy.libraw_version)


def _text(error: Exception) -> str:
    """Text of an error of LibRaw, which rawpy passes on as bytes."""
    words = error.args[0] if error.args else ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(error)


def _read(path: Path, max_megapixels: float) -> Photo:
    return read_raw(path, max_megapixels, RawOptions())


def _size(path: Path) -> tuple[int, int]:
    import rawpy

    with rawpy.imread(str(path)) as raw:
        return raw.sizes.iwidth, raw.sizes.iheight


def _result_suffix(path: Path) -> str:  # noqa: ARG001
    return ".tif"


SPEC = FormatSpec(
    name="raw",
    label="camera RAW",
    suffixes=_SUFFIXES,
    readable="all that LibRaw knows: Bayer, X-Trans, monochrome (grey), four colours",
    writable="never: becomes 16-bit TIFF, or DNG with `--format dng`",
    not_kept="maker notes",
    recognise=_recognise,
    read=_read,
    size=_size,
    result_suffix=_result_suffix,
)
