"""The formats of photo files: one module each, which defines its `SPEC`.

To add a format, write its module and add its name here. Everything else follows from the `SPEC`: suffixes,
recognition, `--format`, the checks before and after writing, `nsp doctor` and the table in the documentation.
This module holds names only and imports nothing slow, because `nsp --help` lists them.
"""

from __future__ import annotations

from enum import Enum


class FileFormat(str, Enum):
    """Formats that nsp writes."""

    JPEG = "jpeg"
    PNG = "png"
    TIFF = "tiff"
    WEBP = "webp"
    AVIF = "avif"
    JXL = "jxl"
    DNG = "dng"
    BMP = "bmp"
    PNM = "pnm"


# In the order in which nsp tries to recognise a file. RAW comes first, because most RAW files start like a
# TIFF. HEIF comes last, because AVIF files name its brands as well.
NAMES = ("raw", *(known.value for known in FileFormat), "heif")
