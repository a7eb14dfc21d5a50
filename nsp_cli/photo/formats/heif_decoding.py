"""Decodes a HEIC's main picture in a process of its own, because some damaged files make libheif crash."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.apart import arrays_apart, end_with_parent


class Decoded(NamedTuple):
    """The main picture, turned and cropped as its boxes say."""

    pixels: Pixels  # (H, W) or (H, W, 2 to 4), alpha last; uint8, or uint16 of `bit_depth`
    bit_depth: int
    is_premultiplied: bool


def decode_heif(path: Path, megapixels: float) -> Decoded:
    """Decodes the main picture; pi-heif must be installed.

    Args:
        path: The file.
        megapixels: Its size, which decides how long decoding may take.

    Raises:
        ValueError: The file is damaged.
    """
    arrays = arrays_apart(__spec__.name, str(path.absolute()), megapixels=megapixels)
    return Decoded(arrays["pixels"], *(arrays[name].item() for name in Decoded._fields[1:]))


def _decode(path: str, result: str) -> None:
    """Decodes and saves the picture; runs in the other process."""
    import pi_heif

    end_with_parent()
    file = pi_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    values = Decoded(
        np.asarray(image),
        image.info["bit_depth"],
        image.premultiplied_alpha,
    )
    np.savez(result, allow_pickle=False, **values._asdict())


if __name__ == "__main__":
    _decode(*sys.argv[1:])
