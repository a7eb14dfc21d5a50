"""JPEG files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from nsp_cli.errors import OutputError
from nsp_cli.photo.colour import cmyk_to_srgb
from nsp_cli.photo.data import Photo, Pixels, as_rgb, channels
from nsp_cli.photo.disk import check_size, damaged

LONGEST_SIDE = 65500
_LONGEST_SEGMENT = 65533
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_IPTC = 0x0404


class _JpegImage(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Does nothing: Pillow would warn about damaged EXIF, and make up 72 dpi where none is stated."""


def read_jpeg(path: Path, max_megapixels: float) -> Photo:
    """Reads a JPEG, grey, RGB or CMYK, as stored (not turned); of several pictures the first.

    Raises:
        InputError: Damaged, truncated, too large, or of a kind that libjpeg does not know.
    """
    data = path.read_bytes()
    try:
        # The class itself, because Image.open would warn about large photos by a global limit,
        # and would open phones' photos with a gain map as a stack of frames.
        image = _JpegImage(io.BytesIO(data))
        check_size(path, image.height, image.width, max_megapixels)
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise damaged(path, "JPEG", error) from error
    photo = _decoded(image)
    return photo.with_notes(*_left_behind(image))


def _decoded(image: JpegImagePlugin.JpegImageFile) -> Photo:
    info = image.info
    notes: tuple[str, ...] = ()
    profile = info.get("icc_profile")
    if image.mode == "CMYK":
        pixels, profile, note = cmyk_to_srgb(image, profile)
        notes = (note,)
    else:
        pixels = np.asarray(image)
    is_grey = pixels.ndim == 2
    return Photo(
        as_rgb(pixels) if is_grey else pixels,
        format="jpeg",
        is_grey=is_grey,
        icc_profile=profile,
        exif=info.get("exif"),
        xmp=info.get("xmp"),
        dpi=info.get("dpi"),
        notes=notes,
    )


def _left_behind(image: JpegImagePlugin.JpegImageFile) -> list[str]:
    """Names what a JPEG can carry that is not kept, so that nothing vanishes silently."""
    notes = []
    if "mp" in image.info:
        notes.append("further pictures in the file (gain map, stereo or preview) not kept")
    if any(data.startswith(_EXTENDED_XMP) for _, data in image.applist):
        notes.append("extended XMP not kept")
    if _IPTC in image.info.get("photoshop", {}):
        notes.append("IPTC not kept")
    return notes


def write_jpeg(photo: Photo, file: BinaryIO, quality: int) -> None:
    """Writes an 8-bit photo without alpha; full colour resolution (4:4:4), because halving it blurs edges.

    Raises:
        OutputError: EXIF or XMP exceeds the 64 KB that a JPEG segment holds.
    """
    for name, size in (
        ("EXIF", len(photo.exif or b"") + 6),
        ("XMP", len(photo.xmp or b"") + len(_XMP_PREFIX)),
    ):
        if size > _LONGEST_SEGMENT:
            raise OutputError(
                f"The {name} of this photo has {size} bytes; a JPEG holds {_LONGEST_SEGMENT}.",
                "Write --format tiff or --format png instead.",
            )
    extras: dict[str, Any] = {"exif": b"Exif\0\0" + photo.exif} if photo.exif else {}
    if photo.dpi is not None:
        extras["dpi"] = photo.dpi
    Image.fromarray(channels(photo)).save(
        file, "JPEG", quality=quality, subsampling=0, icc_profile=photo.icc_profile, xmp=photo.xmp, **extras
    )


def jpeg_bytes(pixels: Pixels, quality: int, subsampling: int = 0) -> bytes:
    """Returns 8-bit (H, W, 3) pixels as a JPEG file's content, without facts.

    Args:
        pixels: What is compressed.
        quality: 1 to 100.
        subsampling: Of colour: 0 for none, 1 for half the columns, 2 for half the rows and columns.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def jpeg_round_trip(pixels: Pixels, quality: int, subsampling: int) -> Pixels:
    """Returns what a JPEG makes of 8-bit (H, W, 3) pixels; arguments as for `jpeg_bytes`."""
    return np.array(Image.open(io.BytesIO(jpeg_bytes(pixels, quality, subsampling))))
