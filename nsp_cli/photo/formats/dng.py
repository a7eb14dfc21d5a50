"""Linear DNG: a denoised RAW photo as linear light, for further work in RAW programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from nsp_cli.errors import OutputError
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import srgb_light
from nsp_cli.photo.formats.spec import FormatSpec, MetadataSpec
from nsp_cli.photo.formats.tiff_blocks import first_directory_blocks
from nsp_cli.photo.formats.tiff_writing import MOST_IN_CLASSIC, byte_order
from nsp_cli.photo.metadata.camera_facts import camera_facts
from nsp_cli.photo.metadata.tiff_directories import append_facts
from nsp_cli.photo.mosaic import SRGB_TO_XYZ, Floats
from nsp_cli.photo.photo import Photo, to_bit_depth

_LINEAR_RAW = 34892
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL, _FLOAT = 1, 2, 3, 4, 5, 10, 11
_D65 = 21
_TILE = 256  # LibRaw and the DNG specification want a multiple of 16
_PREVIEW = 1024  # longest side in pixels
_MODEL = "nsp linear sRGB"
"""Not the camera's name: programs would apply its colour profile, but the primaries are sRGB's already."""
_UNKNOWN = "Camera"
_FINEST = 10**6  # largest denominator of a fraction


def _check(photo: Photo, path: Path, scale: int) -> None:
    """Refuses photos that nsp does not write as DNG.

    Args:
        photo: The photo, before or after the work.
        path: File of the result, for the message.
        scale: How many times wider and higher the result will be.

    Raises:
        OutputError: The photo is not camera RAW, has 8 bits, or is too large for a classic TIFF.
    """
    if photo.format != "raw":
        raise OutputError(
            f"{path}: nsp writes DNG from camera RAW only; this photo is {photo.format.upper()}.",
            "Use --format tiff, which keeps 16 bits and any colour profile.",
        )
    if photo.bit_depth != 16:
        raise OutputError(
            f"{path}: a DNG always has 16 bits.", "Leave out --bit-depth, or use --format tiff."
        )
    if photo.pixels.nbytes * scale**2 > MOST_IN_CLASSIC:
        raise OutputError(f"{path}: a DNG cannot be larger than 4 GB.", "Use --format tiff.")


def write_dng(photo: Photo, file: BinaryIO) -> None:
    """Writes a 16-bit photo as linear light, compressed without loss, with a JPEG preview.

    With what the sensor saw, the DNG holds that and the camera's own colours, and programs balance the light
    of the shot as they do for the RAW file. Without it, the "camera" that the DNG describes sees sRGB's
    primaries, and the light is already balanced.

    Args:
        photo: 16 bits, sRGB, without alpha; `check_writable` makes sure of that.
        file: Opened for reading and writing.
    """
    import tifffile

    light = _light(photo)
    with tifffile.TiffWriter(file, byteorder=byte_order(photo)) as dng:
        preview = _preview(photo)
        dng.write(
            preview,
            rowsperstrip=preview.shape[0],  # a JPEG that can be taken out whole
            photometric="rgb",
            compression="jpeg",
            subfiletype=1,
            subifds=1,
            extratags=_camera_tags(photo),
            metadata=None,
            software=False,
        )
        dng.write(
            _tiles(light),
            shape=light.shape,
            dtype=light.dtype,
            photometric=_LINEAR_RAW,
            compression="jpeg",
            compressionargs={"bitspersample": 16},  # else the directory says 12
            tile=(_TILE, _TILE),
            subfiletype=0,
            extratags=[(50714, _SHORT, 3, (0, 0, 0), True), (50717, _LONG, 3, (65535,) * 3, True)],
            metadata=None,
            software=False,
        )
    append_facts(dataclasses.replace(photo, icc_profile=None), file, is_reserved=False)


def _light(photo: Photo) -> Pixels:
    if photo.sensor is not None:
        return photo.sensor.pixels
    light: Pixels = np.rint(65535 * srgb_light()).astype(np.uint16)[photo.pixels]
    return light


def _tiles(light: Pixels) -> Iterator[bytes]:
    """Yields tiles as lossless JPEGs, because tifffile makes none with 16 bits in a big-endian file."""
    import imagecodecs

    below, right = (-size % _TILE for size in light.shape[:2])
    padded = np.pad(light, ((0, below), (0, right), (0, 0)), "edge")
    for top in range(0, padded.shape[0], _TILE):
        for left in range(0, padded.shape[1], _TILE):
            tile = np.ascontiguousarray(padded[top : top + _TILE, left : left + _TILE])
            yield bytes(imagecodecs.jpeg8_encode(tile, lossless=True, bitspersample=16, predictor=1))


def _preview(photo: Photo) -> Pixels:
    image = Image.fromarray(np.ascontiguousarray(to_bit_depth(photo, 8).pixels))
    image.thumbnail((_PREVIEW, _PREVIEW), Image.Resampling.BOX)
    return np.asarray(image)


def _camera_tags(photo: Photo) -> list[tuple[int, int, int, Any, bool]]:
    """Describes the camera: the real one, or one that sees sRGB and whose picture is shown as it is."""
    if photo.sensor is None:
        look = [
            (50936, _ASCII, 0, _MODEL, True),  # ProfileName
            (50940, _FLOAT, 4, (0.0, 0.0, 1.0, 1.0), True),  # ProfileToneCurve: none
            (51110, _LONG, 1, 1, True),  # DefaultBlackRender: no black subtracted
        ]
        return _colour_tags(_MODEL, np.linalg.inv(SRGB_TO_XYZ), np.ones(3)) + look
    colours, camera = photo.sensor.colours, camera_facts(photo).camera or _UNKNOWN
    return _colour_tags(camera, colours.from_xyz, 1 / colours.gains, photo.sensor.exposure)


def _colour_tags(
    model: str, matrix: Floats, neutral: Floats, exposure: float = 0.0
) -> list[tuple[int, int, int, Any, bool]]:
    return [
        (50706, _BYTE, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, _BYTE, 4, bytes((1, 2, 0, 0)), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, model, True),  # UniqueCameraModel
        (50721, _SRATIONAL, 9, _fractions(matrix), True),  # ColorMatrix1
        (50728, _RATIONAL, 3, _fractions(neutral), True),  # AsShotNeutral
        (50730, _SRATIONAL, 1, _fractions(np.array(exposure)), True),  # BaselineExposure
        (50778, _SHORT, 1, _D65, True),  # CalibrationIlluminant1
    ]


def _fractions(values: Floats) -> list[int]:
    parts = (Fraction(float(value)).limit_denominator(_FINEST) for value in values.ravel())
    return [number for part in parts for number in part.as_integer_ratio()]


SPEC = FormatSpec(
    name="dng",
    label="DNG",
    suffixes=(".dng",),
    readable="as camera RAW",
    writable="16 bits, lossless, linear; from camera RAW only",
    not_kept="maker notes",
    write=write_dng,
    depths=(16,),
    has_alpha=False,
    check_photo=_check,
    metadata=MetadataSpec(first_directory_blocks, no_profile="a DNG describes its colours itself"),
    only_from="raw",
)
