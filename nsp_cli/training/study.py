"""What a student learns from: clean-looking pictures made of noisy photos, without one clean photo.

Three kinds, each a folder of decoded pictures on disk:

- reduced: mild photos at a half and a third of their size, where little noise is left;
- taught: photos as the blind-spot teacher sees them, at full size;
- real: the photos themselves, with what the teacher made of them as the target.

The first two get simulated noise, the third has its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.pixels import from_unit_range, to_unit_range
from nsp_cli.training.photo_cache import PhotoCache
from nsp_cli.training.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.sampler import MILD_NOISE

Teach = Callable[[Tensor], Tensor]

REDUCTIONS = (2, 3)


@dataclass(frozen=True, eq=False)
class Picture:
    """Something to learn from.

    Attributes:
        clean: What the answer should be, 16 bits.
        noisy: The photo itself, where its own noise is to be removed; None where noise is simulated.
    """

    clean: TrainingPhoto
    noisy: TrainingPhoto | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """All that lessons are drawn from.

    Attributes:
        pool: The noisy photos.
        real, taught, reduced: Pictures of each kind.
    """

    pool: PhotoPool
    real: tuple[Picture, ...]
    taught: tuple[Picture, ...]
    reduced: tuple[Picture, ...]

    @property
    def checksum(self) -> int:
        """Tells one study from another, so that a run is not resumed on other pictures unnoticed."""
        sums = [picture.clean.checksum for picture in (*self.taught, *self.reduced)]
        return zlib.crc32(repr((self.pool.checksum, sums)).encode())


def prepare_study(
    pool: PhotoPool, cache: PhotoCache, teach: Teach, on_progress: Callable[[int, int], None] | None = None
) -> Study:
    """Has the teacher denoise every photo, and makes smaller ones of the mild.

    What an earlier start of the run has made is found again.

    Args:
        pool: Noisy photos.
        cache: Where the pictures go.
        teach: Maps (3, H, W) uint16 to the same without noise.
        on_progress: Called with the photos done and to do.

    Raises:
        TrainingError: The disk is full.
    """
    answers, reduced = [], []
    for done, photo in enumerate(pool.photos):
        pixels = _as_16_bits(photo.read(0, 0, photo.height, photo.width))
        answers.append(_kept(cache, photo, "taught", partial(teach, pixels)))
        if photo.noise < MILD_NOISE:
            reduced += [_kept(cache, photo, f"by{f}", partial(reduce, pixels, f)) for f in REDUCTIONS]
        if on_progress:
            on_progress(done + 1, len(pool.photos))
    return Study(
        pool,
        real=tuple(map(Picture, answers, pool.photos)),
        taught=tuple(map(Picture, answers)),
        reduced=tuple(map(Picture, reduced)),
    )


def reduce(pixels: Tensor, factor: int) -> Tensor:
    """Averages factor×factor pixels of a (3, H, W) uint16 picture; odd ends are left out."""
    return from_unit_range(functional.avg_pool2d(to_unit_range(pixels), factor), torch.uint16)


def _as_16_bits(pixels: np.ndarray) -> Tensor:
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
    return from_unit_range(to_unit_range(image), torch.uint16)


def _kept(cache: PhotoCache, photo: TrainingPhoto, kind: str, make: Callable[[], Tensor]) -> TrainingPhoto:
    """Returns a made picture from the cache, or makes it and stores it there."""
    place = f"{photo.file.stem}-{photo.top}-{photo.left}-{photo.height}-{photo.width}-{kind}"
    found = cache.find(place)
    if found is None:
        found = cache.store(place, np.ascontiguousarray(make().permute(1, 2, 0).numpy()))
    stored = np.load(found, mmap_mode="r")
    height, width = stored.shape[:2]
    checksum = zlib.crc32(np.ascontiguousarray(stored).data)
    return replace(photo, file=found, top=0, left=0, height=height, width=width, checksum=checksum)
