"""Decodes a HEIC's main picture in a process of its own, because some damaged files make libheif crash."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nsp_cli.ops.pixel_array import Pixels


class Decoded(NamedTuple):
    """The main picture, turned and cropped as its boxes say."""

    pixels: Pixels  # (H, W) or (H, W, 2 to 4), alpha last; uint8, or uint16 of `bit_depth`
    bit_depth: int
    is_premultiplied: bool
    has_more: bool  # further pictures, or pictures that belong to this one


def decode_heif(path: Path) -> Decoded:
    """Decodes the main picture; pi-heif must be installed.

    Raises:
        ValueError: The file is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="nsp-") as folder:
        result = Path(folder, "picture.npz")
        command = [sys.executable, "-m", __spec__.name, str(path.absolute()), str(result)]
        # The other process must import the same packages, wherever they were found.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()
            raise ValueError(words[-1] if done.returncode > 0 and words else "its decoder crashed")
        with np.load(result) as arrays:
            facts = (arrays[name].item() for name in Decoded._fields[1:])
            return Decoded(arrays["pixels"], *facts)


def _decode(path: str, result: str) -> None:
    """Decodes and saves the picture; runs in the other process."""
    import pi_heif

    file = pi_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    values = Decoded(
        np.asarray(image),
        image.info["bit_depth"],
        image.premultiplied_alpha,
        bool(len(file) > 1 or image.info["aux"] or image.info["depth_images"]),
    )
    np.savez(result, allow_pickle=False, **values._asdict())


if __name__ == "__main__":
    _decode(*sys.argv[1:])
