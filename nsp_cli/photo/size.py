"""How large a photo is, from its header alone."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

from nsp_cli.photo.formats.raw import is_raw
from nsp_cli.photo.metadata.heif_boxes import read_facts
from nsp_cli.photo.sniffing import damaged, sniff_format


def photo_size(path: Path) -> tuple[int, int]:
    """Returns width and height as stored, before a turn that EXIF may ask for.

    Raises:
        InputError: The header cannot be read.
    """
    try:
        if is_raw(path):
            return _raw_size(path)
        if sniff_format(path) == "tiff":
            return _tiff_size(path)
        if sniff_format(path) in ("avif", "heif"):
            facts = read_facts(path)
            return facts.width, facts.height
        with warnings.catch_warnings():  # of large pictures, for which nsp has a limit of its own
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return image.size
    except Exception as error:  # a header's reader may raise anything
        raise damaged(path, "a photo", error) from error


def _raw_size(path: Path) -> tuple[int, int]:
    import rawpy

    with rawpy.imread(str(path)) as raw:
        return raw.sizes.iwidth, raw.sizes.iheight


def _tiff_size(path: Path) -> tuple[int, int]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        return page.imagewidth, page.imagelength
