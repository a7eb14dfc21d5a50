"""The data set that a student learns from, made by a teacher from noisy photos; no clean photo is needed.

Beside the estimate of each photo's noise, and how its file is compressed, there are three kinds of pictures:

- denoised: the teacher's results, as targets; the inputs get simulated noise.
- downscaled: photos with mild noise at a half to a quarter of their size, which makes them very sharp; the
  inputs get simulated noise. If the noise is gone at that size, the photo itself is downscaled, because the
  teacher's result lacks faint texture. Otherwise the teacher's result is downscaled.
- real: the noisy photos as inputs, and the teacher's results as targets.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from nsp_cli.noise.estimation import NoiseProfile, estimate_noise
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import JpegTables, read_jpeg_tables
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.training.data.clean_photos import PicturePair
from nsp_cli.training.data.derived import as_16_bits, derived_picture, downscaled
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.sampler import MILD_NOISE

DOWNSCALE_FACTORS = (2, 3, 4)
# Largest noise, in levels of 255, that a downscaled photo may keep to be used as a target.
_LARGEST_REMAINING_NOISE = 1.2
# Luma level of an estimate over that of the noise map, from which texture or structure was measured too.
_MOST_OVER_MAP = 2.0
# Share of the cache for the decoded photos; the teacher's pictures take the rest.
PHOTO_CACHE_SHARE = 0.25
# Ends the names of the teacher's results in the cache. Earlier versions wrote it, so it must not change.
_DENOISED = "taught"


@dataclass(frozen=True, eq=False)
class TeacherDataset:
    """All pictures that samples are drawn from.

    Attributes:
        pool: Noisy photos.
        teacher: Identifies the teacher.
        profiles: Noise estimate of each photo.
        noises: Those of them that found noise, and nothing else, so that more of it can be made.
        tables: How the photos that are JPEG files are compressed.
        real: Noisy photos with the teacher's results.
        denoised, downscaled: Pictures of these kinds.
    """

    pool: PhotoPool
    teacher: str
    profiles: tuple[NoiseProfile, ...]
    noises: tuple[NoiseProfile, ...]
    tables: tuple[JpegTables, ...]
    real: tuple[PicturePair, ...]
    denoised: tuple[TrainingPhoto, ...]
    downscaled: tuple[TrainingPhoto, ...]

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
    execution: Execution | None = None,
) -> TeacherDataset:
    """Denoises every photo with the teacher, and makes downscaled pictures.

    Pictures that an earlier start of the run has made are taken from the cache.

    Args:
        pool: Noisy photos.
        cache: Cache for the pictures.
        denoise: The teacher: maps a noisy (3, H, W) uint16 photo to a clean one.
        teacher: Identifies the teacher, such as its sha256; letters and digits only.
        on_progress: Called with the number of finished photos and their total.
        execution: Where and how the bundled noise estimator runs; None for the CPU.

    Raises:
        DeviceError: The noise estimator does not fit in memory.
        OutputError: The disk is full.
    """
    results, smaller, profiles, noises = [], [], [], []
    for done, photo in enumerate(pool.photos):
        results.append(derived_picture(cache, photo, _DENOISED, partial(_denoised, photo, denoise), teacher))
        pixels = as_16_bits(photo)
        profiles.append(estimate_noise(pixels))
        noises += [profiles[-1]] if _is_noise_alone(profiles[-1], pixels, execution) else []
        if photo.noise < MILD_NOISE:
            smaller += [
                _cached_downscaled(cache, photo, results[-1], factor, teacher) for factor in DOWNSCALE_FACTORS
            ]
        if on_progress:
            on_progress(done + 1, len(pool.photos))
    return TeacherDataset(
        pool,
        teacher,
        profiles=tuple(profiles),
        noises=tuple(noises),
        tables=tuple(filter(None, (read_jpeg_tables(photo.source) for photo in pool.photos))),
        real=tuple(map(PicturePair, pool.photos, results)),
        denoised=tuple(results),
        downscaled=tuple(smaller),
    )


def _is_noise_alone(profile: NoiseProfile, pixels: Tensor, execution: Execution | None) -> bool:
    """Whether the noise map of a photo has seen most of the noise that was measured on it."""
    return not profile.is_clean and profile.luma <= _MOST_OVER_MAP * map_noise(pixels, execution).luma


def _denoised(photo: TrainingPhoto, denoise: Callable[[Tensor], Tensor]) -> Tensor:
    return denoise(as_16_bits(photo))


def _cached_downscaled(
    cache: PhotoCache, photo: TrainingPhoto, result: TrainingPhoto, factor: int, teacher: str
) -> TrainingPhoto:
    # The level was measured at half the size.
    left = photo.noise * 2 / factor
    is_noisy = left > _LARGEST_REMAINING_NOISE
    kind, picture = (f"by{factor}", result) if is_noisy else (f"itself-by{factor}", photo)
    return derived_picture(cache, photo, kind, partial(downscaled, picture, factor), teacher)
