"""What must hold for every damaged photo, and how a case is made from its number."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

from fuzz.mutations import mutated
from fuzz.photo_seeds import photo_seeds
from nsp_cli.errors import NspError
from nsp_cli.photo import (
    FORMAT_SUFFIXES,
    Photo,
    camera_facts,
    check_writable,
    read_photo,
    to_bit_depth,
    write_photo,
)

SEED = 6
SUFFIXES = {
    "jpeg": ".jpg",
    "png": ".png",
    "tiff": ".tif",
    "webp": ".webp",
    "dng": ".dng",
    "bmp": ".bmp",
    "pnm": ".pnm",
    "avif": ".avif",
}
PHOTO_KINDS = tuple(SUFFIXES)
MAX_MEGAPIXELS = 16  # so that a damaged size may not cost more memory than the check allows
COMMAND_EVERY = 10


class FaultError(AssertionError):
    """The property is broken."""


def photo_case(kind: str, number: int) -> bytes:
    """Returns the damaged file of that kind and number, the same every time."""
    random = np.random.default_rng([SEED, PHOTO_KINDS.index(kind), number])
    seeds = photo_seeds(kind)
    others = photo_seeds(PHOTO_KINDS[random.integers(len(PHOTO_KINDS))])
    return mutated(seeds[number % len(seeds)], others[random.integers(len(others))], random)


def check_photo(kind: str, number: int, folder: Path, weights: Path) -> str:
    """Lets nsp read a damaged file, and write what it read; "read" or "refused".

    Raises:
        FaultError: A file was left behind, a result is not what was read, or the exit code is odd.
        Exception: Whatever nsp let escape, which is a fault as well.
    """
    path = folder / f"case{SUFFIXES[kind]}"
    path.write_bytes(photo_case(kind, number))
    results = folder / "results"
    results.mkdir()
    if number % COMMAND_EVERY == 0:
        return _check_command(path, results, weights)
    return _check_library(path, results, number)


def _check_library(path: Path, results: Path, number: int) -> str:
    try:
        photo = read_photo(path, max_megapixels=MAX_MEGAPIXELS)
    except NspError:
        return "refused"
    camera_facts(photo)
    file_format = ("own", "jpeg", "png", "tiff", "webp")[number % 5]
    target = results / f"result{FORMAT_SUFFIXES[photo.format if file_format == 'own' else file_format]}"
    if target.suffix in (".jpg", ".webp", ".bmp"):
        photo = to_bit_depth(photo, 8)
    try:
        check_writable(photo, target)
        write_photo(photo, target, quality=100)
    except NspError:
        _expect_files(results, set())
        return "read"
    _expect_files(results, {target.name})
    _expect_same(photo, read_photo(target, max_megapixels=MAX_MEGAPIXELS), target.suffix)
    return "read"


def _expect_same(photo: Photo, back: Photo, suffix: str) -> None:
    if back.pixels.shape != photo.pixels.shape:
        raise FaultError(f"{photo.pixels.shape} became {back.pixels.shape}")
    if suffix in (".png", ".tif", ".bmp", ".pnm") and not np.array_equal(back.pixels, photo.pixels):
        raise FaultError("the pixels came back changed")
    if suffix in (".png", ".tif") and back.icc_profile != photo.icc_profile:
        raise FaultError("the profile came back changed")
    if any("damaged" in note for note in back.notes):
        raise FaultError(f"nsp wrote something damaged: {back.notes}")


def _expect_files(folder: Path, names: set[str]) -> None:
    found = {path.name for path in folder.iterdir()}
    if found != names:
        raise FaultError(f"left behind {sorted(found)}, expected {sorted(names)}")


def _check_command(path: Path, results: Path, weights: Path) -> str:
    """Runs `nsp denoise` as a shell would."""
    from nsp_cli.cli import console, main

    shown, said = io.StringIO(), io.StringIO()
    arguments = ["denoise", str(path), "-o", str(results), "-m", str(weights), "--device", "cpu"]
    arguments += ["--max-megapixels", str(MAX_MEGAPIXELS), "--precision", "float32"]
    console.set_quiet(False)
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        code = main(arguments)
    if code not in (0, 1):
        raise FaultError(f"exit code {code}: {said.getvalue()}")
    if (code == 1) != ("Error: " in said.getvalue()) or "Traceback" in said.getvalue():
        raise FaultError(f"exit code {code} and: {said.getvalue()}")
    _expect_files(results, {Path(shown.getvalue().strip()).name} if code == 0 else set())
    if code == 1:
        return "refused"
    read_photo(next(results.iterdir()), max_megapixels=MAX_MEGAPIXELS)
    return "read"
