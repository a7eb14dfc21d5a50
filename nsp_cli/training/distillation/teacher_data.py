"""What a student learns from: clean-looking pictures made of noisy photos, without one clean photo.

Three kinds, each a folder of decoded pictures on disk:

- taught: photos as the teacher sees them;
- reduced: the mild at a half to a quarter of their size, as sharp as a picture can be; of the photo where its
  noise is gone at that size, for the teacher's answer lacks faint texture, and else of the answer;
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

from nsp_cli.noise.estimation import NoiseProfile, estimate_noise
from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.progress import OnProgress
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.sampler import MILD_NOISE

Teach = Callable[[Tensor], Tensor]

DOWNSCALE_FACTORS = (2, 3, 4)
# What may be left of a photo's noise, in levels of 255, when the photo itself is made smaller.
_LARGEST_REMAINING_NOISE = 1.2
# Of the disk space that 8-bit photos and all that is made of them take, the photos'.
PHOTO_CACHE_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class TeacherPicture:
    """Something to learn from.

    Attributes:
        clean: What the answer should be, 16 bits.
        noisy: The photo itself, where its own noise is to be removed; None where noise is simulated.
    """

    clean: TrainingPhoto
    noisy: TrainingPhoto | None = None


@dataclass(frozen=True, eq=False)
class TeacherDataset:
    """All that lessons are drawn from.

    Attributes:
        pool: The noisy photos.
        teacher: Tells the teacher from others.
        noises: What was measured on each photo that has noise.
        real, taught, reduced: Pictures of each kind.
    """

    pool: PhotoPool
    teacher: str
    noises: tuple[NoiseProfile, ...]
    real: tuple[TeacherPicture, ...]
    denoised: tuple[TeacherPicture, ...]
    downscaled: tuple[TeacherPicture, ...]

    @property
    def checksum(self) -> int:
        """Tells one study from another, so that a run is not resumed on other pictures unnoticed.

        It goes by what the pictures were made of: another device makes them a little differently.
        """
        return zlib.crc32(repr((self.pool.checksum, self.teacher)).encode())


def prepare_teacher_dataset(
    pool: PhotoPool,
    cache: PhotoCache,
    teach: Teach,
    teacher: str,
    on_progress: OnProgress | None = None,
    *,
    measures: bool = True,
) -> TeacherDataset:
    """Has the teacher denoise every photo, and makes smaller ones of the mild photos or the answers.

    What an earlier start of the run has made is found again.

    Args:
        pool: Noisy photos.
        cache: Where the pictures go.
        teach: Maps (3, H, W) uint16 to the same without noise.
        teacher: Tells the teacher from others, such as its sha256; letters and digits.
        on_progress: Called with the photos done and to do.
        measures: Measure each photo's noise, a fifth of a second each, for lessons that want it.

    Raises:
        OutputError: The disk is full.
    """
    answers, downscaled, noises = [], [], []
    for done, photo in enumerate(pool.photos):
        answers.append(_cached(cache, photo, "taught", partial(_denoised, photo, teach), teacher))
        if measures:
            noises.append(estimate_noise(_as_16_bits(photo)))
        if photo.noise < MILD_NOISE:
            downscaled += [
                _cached_downscaled(cache, photo, answers[-1], factor, teacher) for factor in DOWNSCALE_FACTORS
            ]
        if on_progress:
            on_progress(done + 1, len(pool.photos))
    return TeacherDataset(
        pool,
        teacher,
        noises=tuple(noise for noise in noises if not noise.is_clean),
        real=tuple(map(TeacherPicture, answers, pool.photos)),
        denoised=tuple(map(TeacherPicture, answers)),
        downscaled=tuple(map(TeacherPicture, downscaled)),
    )


def _denoised(photo: TrainingPhoto, teach: Teach) -> Tensor:
    return teach(_as_16_bits(photo))


def _as_16_bits(photo: TrainingPhoto) -> Tensor:
    """Returns (3, H, W) uint16."""
    pixels = torch.from_numpy(np.ascontiguousarray(photo.read(0, 0, photo.height, photo.width)))
    if pixels.dtype == torch.uint8:
        # 257 is 65535 / 255, exactly; and no detour by floating point with its memory.
        pixels = torch.from_numpy(pixels.numpy().astype(np.uint16) * 257)
    return pixels.permute(2, 0, 1)


def _cached_downscaled(
    cache: PhotoCache, photo: TrainingPhoto, answer: TrainingPhoto, factor: int, teacher: str
) -> TrainingPhoto:
    # It was measured at half the size.
    left = photo.noise * 2 / factor
    is_noisy = left > _LARGEST_REMAINING_NOISE
    kind, picture = (f"by{factor}", answer) if is_noisy else (f"itself-by{factor}", photo)
    return _cached(cache, photo, kind, partial(_downscaled, picture, factor), teacher)


def _downscaled(picture: TrainingPhoto, factor: int) -> Tensor:
    """Averages factor×factor pixels; odd ends are left out."""
    return from_unit_range(functional.avg_pool2d(to_unit_range(_as_16_bits(picture)), factor), torch.uint16)


def _cached(
    cache: PhotoCache, photo: TrainingPhoto, kind: str, make: Callable[[], Tensor], teacher: str
) -> TrainingPhoto:
    """Returns a made picture from the cache, or makes it and stores it there."""
    window = (photo.checksum, photo.top, photo.left, photo.height, photo.width, teacher)
    name = f"{zlib.crc32(repr(window).encode()):08x}-{photo.file.stem}-{kind}"
    shape = cache.shape(name)
    if shape is None:
        made = np.ascontiguousarray(make().permute(1, 2, 0).numpy())
        cache.store(name, made)
        shape = made.shape
    height, width, _ = shape
    return replace(photo, file=cache.path(name), top=0, left=0, height=height, width=width)
