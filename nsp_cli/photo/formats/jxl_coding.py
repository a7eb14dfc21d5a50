"""Decodes and encodes JPEG XL in a process of its own: OpenImageIO writes to the terminal when it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nsp_cli.files import temporary_folder
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.apart import arrays_apart, end_with_parent, run_apart

LIBRARY = "OpenImageIO"
# Of ten. Files are half a percent larger than with 3, which takes twice as long. With 1, libjxl 0.12 writes
# grey pictures that it cannot read again.
_EFFORT = 2
_NO_NUMBERS = (0, 0, 0, 0)


class DecodedJxl(NamedTuple):
    """A picture as libjxl shows it, upright."""

    pixels: Pixels  # (H, W, C) uint8 or uint16
    icc_profile: bytes  # that of the pixels
    numbers: tuple[int, ...]  # by H.273: primaries, transfer, …; all 0 where the file does not state them


def decode_jxl(path: Path, megapixels: float) -> DecodedJxl:
    """Decodes a file.

    Args:
        path: The file.
        megapixels: Its size, which decides how long decoding may take.

    Raises:
        ValueError: The file is damaged.
    """
    arrays = arrays_apart(__spec__.name, "decode", str(path.absolute()), megapixels=megapixels)
    return DecodedJxl(arrays["pixels"], arrays["icc_profile"].tobytes(), tuple(arrays["numbers"].tolist()))


def encode_jxl(pixels: Pixels, icc_profile: bytes | None) -> bytes:
    """Encodes (H, W, 1, 3 or 4) uint8 or uint16 without loss.

    Raises:
        ValueError: The encoder failed.
    """
    with temporary_folder() as folder:
        given, result = folder / "picture.npz", folder / "picture.jxl"
        np.savez(given, pixels=pixels, icc_profile=np.frombuffer(icc_profile or b"", np.uint8))
        arguments = ("encode", str(given), str(result))
        run_apart(__spec__.name, *arguments, folder=folder, megapixels=pixels.size / 1e6)
        return result.read_bytes()


def _decode(path: str, result: str) -> None:
    import OpenImageIO

    source = OpenImageIO.ImageInput.open(path)
    if source is None:
        raise ValueError(OpenImageIO.geterror().strip())
    spec: Any = source.spec()
    pixels: Any = source.read_image(format=spec.format)
    numbers, profile = spec.getattribute("CICP"), spec.getattribute("ICCProfile")
    np.savez(
        result,
        pixels=np.atleast_3d(pixels),
        icc_profile=np.array([] if profile is None else profile, np.uint8),
        numbers=np.array(_NO_NUMBERS if numbers is None else numbers),
    )


def _encode(given: str, result: str) -> None:
    import OpenImageIO

    with np.load(given) as arrays:
        pixels, profile = arrays["pixels"], arrays["icc_profile"]
    kind = OpenImageIO.UINT8 if pixels.dtype == np.uint8 else OpenImageIO.UINT16
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    spec["Compression"], spec["jpegxl:effort"], spec["oiio:UnassociatedAlpha"] = "jpegxl:100", _EFFORT, 1
    if len(profile):
        spec.attribute("ICCProfile", OpenImageIO.TypeDesc(f"uint8[{len(profile)}]"), profile)
    target: Any = OpenImageIO.ImageOutput.create(result)
    if not (target.open(result, spec) and target.write_image(pixels) and target.close()):
        raise ValueError(target.geterror())


if __name__ == "__main__":
    end_with_parent()
    {"decode": _decode, "encode": _encode}[sys.argv[1]](*sys.argv[2:])
