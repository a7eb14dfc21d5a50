"""Seconds for reading and writing files, and for starting nsp."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nsp_cli.bench.photos import synthetic_photo
from nsp_cli.bench.timing import alternated, seconds
from nsp_cli.ops.pixels import tensor_to_pixels
from nsp_cli.photo import Photo, read_photo, write_photo

_SUFFIXES = (".jpg", ".png", ".tif")
_STARTS = 3


@dataclass(frozen=True)
class FileTime:
    """Seconds to read and to write a photo in one format."""

    suffix: str
    megapixels: float
    decode: float
    encode: float


@dataclass(frozen=True)
class StartTime:
    """Seconds that a command takes from start to end."""

    command: str
    seconds: float


def measure_files(megapixels: float) -> list[FileTime]:
    """Writes and reads a photo in each of the usual formats, in a temporary folder."""
    photo = Photo(pixels=tensor_to_pixels(synthetic_photo(megapixels)))
    with tempfile.TemporaryDirectory() as folder:
        return [_file_time(photo, Path(folder) / f"photo{suffix}") for suffix in _SUFFIXES]


def _file_time(photo: Photo, path: Path) -> FileTime:
    taken = alternated(
        {"encode": lambda: write_photo(photo, path, overwrite=True), "decode": lambda: read_photo(path)}
    )
    return FileTime(path.suffix, photo.width * photo.height / 1e6, taken["decode"], taken["encode"])


def measure_starts(megapixels: float) -> list[StartTime]:
    """Starts Python with nsp's help, with torch, and with a whole photo through the default weights."""
    with tempfile.TemporaryDirectory() as folder:
        photo, result = Path(folder) / "photo.jpg", Path(folder) / "result.jpg"
        write_photo(Photo(pixels=tensor_to_pixels(synthetic_photo(megapixels))), photo)
        nsp = [sys.executable, "-m", "nsp_cli"]
        return [
            _start("nsp --help", [*nsp, "--help"]),
            _start("import torch", [sys.executable, "-c", "import torch"]),
            _start(
                f"nsp denoise, {megapixels:g} MP JPEG",
                [*nsp, "denoise", str(photo), "-o", str(result)],
                result,
            ),
        ]


def _start(name: str, command: list[str], result: Path | None = None) -> StartTime:
    taken = []
    for _ in range(_STARTS):
        if result:
            result.unlink(missing_ok=True)  # nsp skips a finished result
        taken.append(seconds(lambda: subprocess.run(command, check=True, capture_output=True)))
    return StartTime(name, median(taken))
