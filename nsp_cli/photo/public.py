"""Names that the rest of nsp imports from `nsp_cli.photo`."""

from __future__ import annotations

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.check.verify import Written
from nsp_cli.photo.colour import srgb_pixels
from nsp_cli.photo.formats.jpeg import jpeg_bytes
from nsp_cli.photo.formats.jpeg_header import JpegTables, Subsampling, read_jpeg_tables
from nsp_cli.photo.formats.png import png_bytes
from nsp_cli.photo.formats.raw_development import RawOptions, developed
from nsp_cli.photo.formats.registry import (
    EIGHT_BIT_FORMATS,
    FOREIGN_SUFFIXES,
    FORMAT_SUFFIXES,
    PHOTO_SUFFIXES,
    RAW_SUFFIXES,
    WRITABLE_SUFFIXES,
    format_of,
    result_suffix,
    suffix_by_content,
)
from nsp_cli.photo.metadata.camera_facts import CameraFacts, camera_facts
from nsp_cli.photo.metadata.noise_profile import stated_noise
from nsp_cli.photo.mosaic import CELL_PLACES, Mosaic, SensorColours, SensorPicture
from nsp_cli.photo.photo import Photo, to_bit_depth
from nsp_cli.photo.provenance import Provenance, read_provenance, with_provenance
from nsp_cli.photo.reading import check_kind, photo_size, read_photo, why_no_mosaic
from nsp_cli.photo.sheet import labelled_sheet
from nsp_cli.photo.sniffing import check_readable
from nsp_cli.photo.tone import tone_gamma
from nsp_cli.photo.writing import check_writable, copy_photo, write_photo

__all__ = [
    "CELL_PLACES",
    "EIGHT_BIT_FORMATS",
    "FOREIGN_SUFFIXES",
    "FORMAT_SUFFIXES",
    "PHOTO_SUFFIXES",
    "RAW_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "CameraFacts",
    "JpegTables",
    "Mosaic",
    "Photo",
    "Pixels",
    "Provenance",
    "RawOptions",
    "SensorColours",
    "SensorPicture",
    "Subsampling",
    "Written",
    "camera_facts",
    "check_kind",
    "check_readable",
    "check_writable",
    "copy_photo",
    "developed",
    "format_of",
    "jpeg_bytes",
    "labelled_sheet",
    "photo_size",
    "png_bytes",
    "read_jpeg_tables",
    "read_photo",
    "read_provenance",
    "result_suffix",
    "srgb_pixels",
    "stated_noise",
    "suffix_by_content",
    "to_bit_depth",
    "tone_gamma",
    "why_no_mosaic",
    "with_provenance",
    "write_photo",
]
