"""The pool of training photos: finds, decodes and measures the noisy photos of some folders."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from nsp_cli.batch import walk_photos
from nsp_cli.errors import InputError, TrainingError
from nsp_cli.files import write_text
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.ops.progress import OnProgress, counted
from nsp_cli.photo import CameraFacts, camera_facts, read_photo
from nsp_cli.training.data.photo_cache import PhotoCache, read_window

# Smallest side of a photo. A smaller crop is mostly border for a network with a radius of 60 pixels.
SMALLEST_SIDE = 120


@dataclass(frozen=True)
class TrainingPhoto:
    """A decoded photo on disk, or a window of one.

    Attributes:
        source: File of the photo.
        file: File of the decoded pixels, (H, W, 3), 8 or 16 bits; of what a sensor saw, (H, W).
        top, left, height, width: Window of the decoded pixels.
        noise: Noise level, from `noise_level`.
        facts: Camera and ISO.
        checksum: Checksum of the decoded pixels.
    """

    source: Path
    file: Path
    top: int
    left: int
    height: int
    width: int
    noise: float
    facts: CameraFacts
    checksum: int

    @property
    def side(self) -> int:
        return min(self.height, self.width)

    @property
    def megapixels(self) -> float:
        return self.height * self.width / 1e6

    def window(self, top: int, left: int, height: int, width: int) -> TrainingPhoto:
        """A part of this window."""
        return replace(self, top=self.top + top, left=self.left + left, height=height, width=width)

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Copy of a part of the window, (height, width, 3) or (height, width)."""
        return read_window(self.file, self.top + top, self.left + left, height, width)


@dataclass(frozen=True)
class PhotoPool:
    """Training photos of some folders.

    Attributes:
        photos: Decoded photos or windows of them.
        skipped: Path and reason of every file that could not be used.
        found: Number of photos in the folders.
    """

    photos: tuple[TrainingPhoto, ...]
    skipped: tuple[tuple[Path, str], ...]
    found: int

    @property
    def megapixels(self) -> float:
        """Megapixels of the decoded windows."""
        return sum(photo.megapixels for photo in self.photos)

    def describe(self) -> str:
        """Number of photos and megapixels, for the user."""
        return f"{counted(len(self.photos), 'noisy photo')}, {self.megapixels:.1f} MP"

    @property
    def checksum(self) -> int:
        """Checksum of all windows, so that no run is resumed with other photos unnoticed."""
        places = [(p.checksum, p.top, p.left, p.height, p.width) for p in self.photos]
        return zlib.crc32(repr(places).encode())


# Takes a photo's file and what `load_photo` takes.
LoadPhoto = Callable[..., TrainingPhoto]


def in_turns(sources: Iterable[Iterable[TrainingPhoto]], count: int) -> list[TrainingPhoto]:
    """The first of each source, then the second of each, up to `count` in all."""
    rounds = chain.from_iterable(zip_longest(*sources))
    return list(islice((photo for photo in rounds if photo), count))


def load_pool(
    folders: Sequence[Path],
    cache: PhotoCache,
    *,
    crop: int,
    seed: int,
    most_photos: int | None = None,
    load: LoadPhoto | None = None,
    on_progress: OnProgress | None = None,
) -> PhotoPool:
    """Decodes the photos of some folders into the cache, or finds them there.

    If the photos exceed the limit of the cache, a random window of each is kept. If that window would be
    smaller than a crop, fewer photos are chosen at random, one crop of each.

    Args:
        folders: Folders to search recursively; a photo found twice counts once.
        cache: Cache for the decoded photos.
        crop: Side of the crops that will be drawn.
        seed: Seed of the random windows and photos.
        most_photos: Number of photos to decode, chosen at random; None for all that fit.
        load: Decodes one, with the arguments of `load_photo`; None for that.
        on_progress: Called with the number of finished photos and their total.

    Raises:
        InputError: A folder does not exist.
        TrainingError: No photo could be used.
        OutputError: The disk is full.
    """
    paths, load = find_each_once(folders), load or load_photo
    files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    key = zlib.crc32(repr((files, crop, seed, most_photos, load.__name__)).encode())
    known = _read_index(cache, key)
    pool = known or _decode(paths, cache, crop, seed, most_photos, load, on_progress)
    if not pool.photos:
        where = ", ".join(str(folder) for folder in folders)
        reason = pool.skipped[0][1] if pool.skipped else f"no photo of a known type was found below {where}."
        raise TrainingError(
            f"There is nothing to train on: {reason}",
            "Give a folder with a few noisy JPEG, PNG, TIFF or RAW files.",
        )
    if not known:  # else several processes of a machine would write it at once
        _write_index(cache, key, pool)
    return pool


def find_each_once(folders: Sequence[Path]) -> list[Path]:
    """Photos of all folders, each once, even if folders overlap or links lead to the same file."""
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder.", "Give the folder that holds your noisy photos.")
        # Sorted as paths: a photo's place decides which part of it is read.
        for path in sorted(photo.path for photo in walk_photos(folder, recursive=True)):
            if path.is_file():
                found.setdefault(path.resolve(), path)
    return list(found.values())


def _decode(
    paths: list[Path],
    cache: PhotoCache,
    crop: int,
    seed: int,
    most_photos: int | None,
    load: LoadPhoto,
    on_progress: OnProgress | None,
) -> PhotoPool:
    # 16-bit photos take six bytes per pixel.
    most = min(max(1, cache.limit // (6 * crop**2)), most_photos or len(paths))
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(paths), most, replace=False)) if len(paths) > most else range(len(paths))
    share = max(crop**2 * 6, cache.limit // max(1, len(chosen)))

    def load_one(number: int) -> TrainingPhoto | tuple[Path, str]:
        try:
            rng = np.random.default_rng([seed, number])
            return load(paths[number], cache, most_bytes=share, rng=rng, name=f"{number}")
        except InputError as error:
            return paths[number], error.message

    results = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        for result in threads.map(load_one, chosen):
            results.append(result)
            if on_progress:
                on_progress(len(results), len(chosen))
    photos = tuple(result for result in results if isinstance(result, TrainingPhoto))
    return PhotoPool(photos, tuple(r for r in results if isinstance(r, tuple)), len(paths))


def load_photo(
    path: Path, cache: PhotoCache, *, most_bytes: int, rng: np.random.Generator, name: str
) -> TrainingPhoto:
    """Decodes a photo into the cache, or a random window of it that takes about `most_bytes`.

    Raises:
        InputError: The photo cannot be read or is too small.
        OutputError: The disk is full.
    """
    photo = read_photo(path)
    height, width = photo.height, photo.width
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{path} is too small: {width}×{height}, but both sides need {SMALLEST_SIDE} pixels."
        )
    shrink = min(1.0, (most_bytes / photo.pixels.nbytes) ** 0.5)
    rows, columns = max(SMALLEST_SIDE, int(height * shrink)), max(SMALLEST_SIDE, int(width * shrink))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    window = np.ascontiguousarray(photo.pixels[top : top + rows, left : left + columns])
    file = cache.store(name, window)
    checksum = zlib.crc32(window.data)
    return TrainingPhoto(path, file, 0, 0, rows, columns, noise_level(window), camera_facts(photo), checksum)


def noise_level(pixels: Pixels) -> float:
    """Approximate noise level of a photo in 8-bit levels, robust against edges and texture.

    It is the median absolute diagonal difference after 2×2 averaging, which includes the correlated noise
    that demosaicing and JPEG leave. It distinguishes a night shot from a sunny one and is not meant for more.
    """
    white = np.iinfo(pixels.dtype).max
    height, width = (side // 4 * 4 for side in pixels.shape[:2])
    image = torch.from_numpy(pixels[:height, :width].astype(np.float32) * (255 / white)).permute(2, 0, 1)
    image = functional.avg_pool2d(image[None], 2)
    top, bottom = image[..., 0::2, :], image[..., 1::2, :]
    diagonal = (top[..., 0::2] - top[..., 1::2] - bottom[..., 0::2] + bottom[..., 1::2]) / 2
    return float(diagonal.abs().median()) / 0.6745


def _write_index(cache: PhotoCache, key: int, pool: PhotoPool) -> None:
    content = {"key": key, "pool": asdict(pool)}
    write_text(cache.folder / "index.json", json.dumps(content, default=os.fspath))


def _read_index(cache: PhotoCache, key: int) -> PhotoPool | None:
    """Pool that an earlier start of the run decoded; None if the photos differ or a file is missing."""
    try:
        content: dict[str, Any] = json.loads((cache.folder / "index.json").read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        photos = tuple(_photo_from(fields) for fields in content["pool"]["photos"])
        skipped = tuple((Path(path), reason) for path, reason in content["pool"]["skipped"])
        pool = PhotoPool(photos, skipped, content["pool"]["found"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pool if all(photo.file.is_file() for photo in photos) else None


def _photo_from(fields: dict[str, Any]) -> TrainingPhoto:
    given = fields | {"source": Path(fields["source"]), "file": Path(fields["file"])}
    return TrainingPhoto(**given | {"facts": CameraFacts(**fields["facts"])})
