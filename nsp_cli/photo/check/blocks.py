"""The metadata of a photo in memory and of a file, in the one form that can be compared."""

from __future__ import annotations

from typing import BinaryIO

from nsp_cli.photo.formats.registry import SPECS
from nsp_cli.photo.metadata.blocks import Blocks, exif_blocks
from nsp_cli.photo.photo import Photo


def blocks_of_photo(photo: Photo) -> Blocks:
    """Metadata that a photo in memory carries."""
    exif = exif_blocks(photo.exif)
    return Blocks(
        exif.exif,
        exif.order,
        xmp=photo.xmp,
        resources=photo.resources,
        icc_profile=photo.icc_profile,
        dpi=exif.dpi if photo.dpi is None else (photo.dpi,),
        extras=photo.extras,
    )


def blocks_of_file(file: BinaryIO, file_format: str) -> Blocks:
    """Metadata that a file carries.

    Args:
        file: Open for reading, at any position.
        file_format: A name in the registry of formats.

    Raises:
        ValueError, LookupError, struct.error: The file is damaged, or nsp does not compare this format.
    """
    file.seek(0)
    read_blocks = SPECS[file_format].metadata.read_blocks
    if read_blocks is None:
        raise LookupError(f"the metadata of {file_format} files is not compared")
    return read_blocks(file)
