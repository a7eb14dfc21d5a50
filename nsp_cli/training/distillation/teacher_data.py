"""The data set that a student learns from, made by a teacher from noisy photos; no clean photo is needed.

There are three kinds of pictures:

- denoised: the teacher's results, as targets; the inputs get simulated noise.
- downscaled: photos with mild noise at a half to a quarter of their size, which makes them very sharp; the
  inputs get simulated noise. If the noise is gone at that size, the photo itself is downscaled, because the
  teacher's result lacks faint texture. Otherwise the teacher's result is downscaled.
- real: the noisy photos as inputs, and the teacher's results as targets.
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
from nsp_cli.ops.progress import OnProgress
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.sampler import MILD_NOISE

DOWNSCALE_FACTORS = (2, 3, 4)
# Largest noise, in levels of 255, that a downscaled photo may keep to be used as a target.
_LARGEST_REMAINING_NOISE = 1.2
# Share of the cache for the decoded photos; the teacher's pictures take the rest.
PHOTO_CACHE_SHARE = 0.25
# Ends the names of the teacher's results in the cache. Earlier versions wrote it, so it must not change.
_DENOISED = "taught"


@dataclass(frozen=True, eq=False)
class TeacherPicture:
    """A target for the student, and its input if that is a real photo.

    Attributes:
        clean: Target, 16 bits.
        noisy: Noisy photo as the input; None if the noise is simulated.
    """

    clean: TrainingPhoto
    noisy: TrainingPhoto | None = None


@dataclass(frozen=True, eq=False)
class TeacherDataset:
    """All pictures that samples are drawn from.

    Attributes:
        pool: Noisy photos.
        teacher: Identifies the teacher.
        noises: Noise estimates of the photos that have noise.
        real, denoised, downscaled: Pictures of each kind.
    """

    pool: PhotoPool
    teacher: str
    noises: tuple[NoiseProfile, ...]
    real: tuple[TeacherPicture, ...]
    denoised: tuple[TeacherPicture, ...]
    downscaled: tuple[TeacherPicture, ...]

    @property
    def checksum(self) -> int:
        """Checksum of the photos and the teacher, so that no run is resumed with other ones unnoticed.

        The pictures themselves are left out, because they differ slightly between devices.
        """
        return zlib.crc32(repr((self.pool.checksum, self.teacher)).encode())


def prepare_teacher_dataset(
    pool: PhotoPool,
    cache: PhotoCache,
    denoise: Callable[[Tensor], Tensor],
    teacher: str,
    on_progress: OnProgress | None = None,
    *,
    measures: bool = True,
) -> TeacherDataset:
    """Denoises every photo with the teacher, and makes downscaled pictures.

    Pictures that an earlier start of the run has made are taken from the cache.

    Args:
        pool: Noisy photos.
        cache: Cache for the pictures.
        denoise: The teacher: maps a noisy (3, H, W) uint16 photo to a clean one.
        teacher: Identifies the teacher, such as its sha256; letters and digits only.
        on_progress: Called with the number of finished photos and their total.
        measures: Whether to estimate the noise of each photo, which takes a fifth of a second.

    Raises:
        OutputError: The disk is full.
    """
    results, downscaled, noises = [], [], []
    for done, photo in enumerate(pool.photos):
        results.append(_cached(cache, photo, _DENOISED, partial(_denoised, photo, denoise), teacher))
        if measures:
            noises.append(estimate_noise(_as_16_bits(photo)))
        if photo.noise < MILD_NOISE:
            downscaled += [
                _cached_downscaled(cache, photo, results[-1], factor, teacher) for factor in DOWNSCALE_FACTORS
            ]
        if on_progress:
            on_progress(done + 1, len(pool.photos))
    return TeacherDataset(
        pool,
        teacher,
        noises=tuple(noise for noise in noises if not noise.is_clean),
        real=tuple(map(TeacherPicture, results, pool.photos)),
        denoised=tuple(map(TeacherPicture, results)),
        downscaled=tuple(map(TeacherPicture, downscaled)),
    )


def _denoised(photo: TrainingPhoto, denoise: Callable[[Tensor], Tensor]) -> Tensor:
    return denoise(_as_16_bits(photo))


def _as_16_bits(photo: TrainingPhoto) -> Tensor:
    """Pixels of a photo, (3, H, W) uint16."""
    pixels = torch.from_numpy(np.ascontiguousarray(photo.read(0, 0, photo.height, photo.width)))
    if pixels.dtype == torch.uint8:
        # 257 is exactly 65535 / 255. Floating point would need more memory.
        pixels = torch.from_numpy(pixels.numpy().astype(np.uint16) * 257)
    return pixels.permute(2, 0, 1)


def _cached_downscaled(
    cache: PhotoCache, photo: TrainingPhoto, result: TrainingPhoto, factor: int, teacher: str
) -> TrainingPhoto:
    # The level was measured at half the size.
    left = photo.noise * 2 / factor
    is_noisy = left > _LARGEST_REMAINING_NOISE
    kind, picture = (f"by{factor}", result) if is_noisy else (f"itself-by{factor}", photo)
    return _cached(cache, photo, kind, partial(_downscaled, picture, factor), teacher)


def _downscaled(picture: TrainingPhoto, factor: int) -> Tensor:
    """Averages cells of factor×factor pixels; incomplete cells at the edge are left out."""
    return from_unit_range(functional.avg_pool2d(to_unit_range(_as_16_bits(picture)), factor), torch.uint16)


def _cached(
    cache: PhotoCache, photo: TrainingPhoto, kind: str, make: Callable[[], Tensor], teacher: str
) -> TrainingPhoto:
    """Picture from the cache; made and stored there if it is missing."""
    window = (photo.checksum, photo.top, photo.left, photo.height, photo.width, teacher)
    name = f"{zlib.crc32(repr(window).encode()):08x}-{photo.file.stem}-{kind}"
    shape = cache.shape(name)
    if shape is None:
        made = np.ascontiguousarray(make().permute(1, 2, 0).numpy())
        cache.store(name, made)
        shape = made.shape
    height, width, _ = shape
    return replace(photo, file=cache.path(name), top=0, left=0, height=height, width=width)
