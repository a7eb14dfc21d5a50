"""Camera RAW, developed to 16-bit sRGB by LibRaw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nsp_cli.errors import InputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import srgb_curve, srgb_profile
from nsp_cli.photo.formats.dng_facts import Multipliers, as_shot_multipliers, baseline_exposure
from nsp_cli.photo.formats.raw_checks import check_complete, check_decoded
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.raw_exif import first_directory, shot_exif
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
_LEAST_MATRIX = 0.125  # LibRaw leaves a matrix unused whose first value is not above this
_MOST_EXPOSURE = 3.0
_KNEE = 0.5  # share of white's light, above which brightening compresses


@dataclass(frozen=True)
class RawOptions:
    """How a RAW file is developed.

    Attributes:
        exposure: In EV, -3 to 3. Each step doubles the light, up to the middle of the linear range. Above,
            brightening compresses the highlights, so that nothing is clipped that was not clipped before.
        white_balance: "camera" as shot, "auto" from the mean of the picture, or "daylight" of the sensor.
        half: Half as wide and high, without demosaicing: each 2×2 of the sensor becomes one pixel.

    Raises:
        ValueError: The exposure is out of range, or the white balance unknown.
    """

    exposure: float = 0.0
    white_balance: Literal["camera", "auto", "daylight"] = "camera"
    half: bool = False

    def __post_init__(self) -> None:
        if not -_MOST_EXPOSURE <= self.exposure <= _MOST_EXPOSURE:
            raise ValueError(f"exposure must be -3 to 3 EV, not {self.exposure}")
        if self.white_balance not in ("camera", "auto", "daylight"):
            raise ValueError(f"no such white balance: {self.white_balance}")


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


def read_raw(path: Path, max_megapixels: float, options: RawOptions) -> Photo:
    """Develops a RAW file to 16-bit sRGB, turned upright; a monochrome sensor gives grey.

    Args:
        path: The file.
        max_megapixels: Larger photos are refused. Their full size counts, even with `options.half`.
        options: How it is developed.

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
            linear = _developed(raw, options, white, is_dng=_is_dng(path))
            exif = shot_exif(path, raw)
    except rawpy.LibRawFileUnsupportedError as error:
        raise InputError(
            f"{path} cannot be developed: "
            f"LibRaw {libraw_version()} does not know this camera or compression.",
            "Convert it to DNG with Adobe's DNG Converter, or export a 16-bit TIFF from a RAW program.",
        ) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise damaged(path, "RAW", _text(error)) from error
    if baseline:
        notes += (f"the file's own exposure of {baseline:+.2g} EV applied",)
    pixels = _tones(options.exposure + baseline)[linear]
    if pixels.shape[2] == 1:
        # Without a profile, because sRGB's is one for colour.
        return Photo(as_rgb(pixels[:, :, 0]), None, "raw", True, None, exif, notes=notes)
    return Photo(pixels, None, "raw", False, srgb_profile(), exif, notes=notes)


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
    is_known = raw.color_matrix[0][0] > _LEAST_MATRIX or raw.rgb_xyz_matrix.any()
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


def _developed(raw: Any, options: RawOptions, white: Multipliers | None, *, is_dng: bool) -> Pixels:
    """Returns (H, W, 3), or (H, W, 1) from a monochrome sensor, in linear sRGB."""
    import rawpy

    height, width = raw.sizes.iheight, raw.sizes.iwidth
    linear: Pixels = raw.postprocess(
        use_camera_wb=options.white_balance == "camera" and white is None,
        user_wb=None if white is None else [*white, white[1]],
        use_auto_wb=options.white_balance == "auto",
        half_size=options.half,
        # Without automatic brightness, which clips 1 % of the highlights and differs from shot to
        # shot: a dark result can be brightened later, a clipped one cannot be brought back.
        no_auto_bright=True,
        # Many makers' files clip below LibRaw's table, so that white must be looked for; a DNG states it.
        adjust_maximum_thr=0.0 if is_dng else 0.75,
        output_bps=16,
        output_color=rawpy.ColorSpace.sRGB,
        gamma=(1, 1),
    )
    is_full = linear.shape[0] * linear.shape[1] >= height * width
    return _halved(linear) if options.half and is_full else linear


def _halved(linear: Pixels) -> Pixels:
    """Averages each 2×2 block, for sensors without a mosaic, which LibRaw does not halve."""
    rows, columns = (size - size % 2 for size in linear.shape[:2])
    wide = linear[:rows, :columns].astype(np.uint32)
    total = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
    mean: Pixels = ((total + 2) // 4).astype(np.uint16)
    return mean


def _tones(exposure: float) -> Pixels:
    """sRGB values of all 65,536 linear ones: with the gain of `exposure`, compressed above the knee."""
    light = np.arange(65536) / 65535 * 2**exposure
    if exposure > 0:
        # From the knee a hyperbola that begins with the gain's slope and ends in white.
        slope = (2**exposure - _KNEE) / (1 - _KNEE)
        share = np.maximum(light - _KNEE, 0) / (2**exposure - _KNEE)
        light = np.minimum(light, _KNEE) + (1 - _KNEE) * slope * share / (1 + (slope - 1) * share)
    return srgb_curve(light)


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
