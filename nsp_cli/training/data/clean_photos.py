"""Photos without noise, and pairs of a noisy photo and the same without noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nsp_cli.errors import TrainingError
from nsp_cli.training.data.derived import derived_picture, downscaled
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto, load_photo


@dataclass(frozen=True, eq=False)
class PicturePair:
    """A noisy photo and the same picture without its noise, of equal size."""

    noisy: TrainingPhoto
    clean: TrainingPhoto


def with_halves(pool: PhotoPool, cache: PhotoCache) -> tuple[TrainingPhoto, ...]:
    """The photos of a pool, and each at half its size: sharper, and with less of its own noise.

    Raises:
        OutputError: The disk is full.
    """
    halves = (derived_picture(cache, photo, "half", partial(downscaled, photo, 2)) for photo in pool.photos)
    return (*pool.photos, *halves)


def load_picture_pairs(pairs: Sequence[tuple[Path, Path]], cache: PhotoCache) -> tuple[PicturePair, ...]:
    """Decodes pairs of a noisy and a clean file.

    Raises:
        InputError: A photo cannot be read or is too small.
        TrainingError: The photos of a pair differ in size.
        OutputError: The disk is full.
    """
    return tuple(_load_pair(paths, cache, number) for number, paths in enumerate(pairs))


def _load_pair(paths: tuple[Path, Path], cache: PhotoCache, number: int) -> PicturePair:
    noisy, clean = (
        load_photo(
            path, cache, most_bytes=cache.limit, rng=np.random.default_rng(number), name=f"{number}-{kind}"
        )
        for path, kind in zip(paths, ("noisy", "clean"), strict=True)
    )
    if (noisy.height, noisy.width) != (clean.height, clean.width):
        raise TrainingError(
            f"{paths[0]} and {paths[1]} differ in size.", "Give pairs of photos that show the same pixels."
        )
    return PicturePair(noisy, clean)
