"""Decodes a HEIC's main picture in a process of its own, because some damaged files make libheif crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nsp_cli.files import temporary_folder
from nsp_cli.ops.pixel_array import Pixels

_SECONDS = 30  # and one for each megapixel


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
    with temporary_folder() as folder:
        result = folder / "picture.npz"
        command = [sys.executable, "-m", __spec__.name, str(path.absolute()), str(result)]
        # The other process must import the same packages, wherever they were found.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        own_end, end = os.pipe()
        try:
            done = subprocess.run(
                command,
                stdin=own_end,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_SECONDS + megapixels,
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError("decoding it would take too long") from error
        finally:
            os.close(own_end)
            os.close(end)
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()
            raise ValueError(words[-1] if done.returncode > 0 and words else "its decoder crashed")
        with np.load(result) as arrays:
            facts = (arrays[name].item() for name in Decoded._fields[1:])
            return Decoded(arrays["pixels"], *facts)


def _decode(path: str, result: str) -> None:
    """Decodes and saves the picture; runs in the other process."""
    import pi_heif

    threading.Thread(target=_end_with_parent, daemon=True).start()

    file = pi_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    values = Decoded(
        np.asarray(image),
        image.info["bit_depth"],
        image.premultiplied_alpha,
    )
    np.savez(result, allow_pickle=False, **values._asdict())


def _end_with_parent() -> None:
    """Ends this process when nsp has ended, whose end of the pipe the system then closes."""
    os.read(0, 1)  # not sys.stdin, whose lock Python wants back when it ends
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _decode(*sys.argv[1:])
