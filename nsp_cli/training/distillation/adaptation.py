"""What a student learns from to suit the photos of a folder better: their noise, and pictures to lay it on.

No clean photo is needed. The noise is that of flat places. The pictures are the results of the weights that
the student starts from, as they are and smaller, beside artificial texture. Detail that those weights lose is
missing from the results, but the noise that is laid on them is real and known exactly.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.neutral import is_neutral
from nsp_cli.training.data.derived import as_16_bits, derived_picture, downscaled, seen_picture
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto, in_turns
from nsp_cli.training.distillation.folder_noise import find_noise
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.run.recipe import Budget
from nsp_cli.training.seeded_random import generator_for, random_below

# Photos to decode at most: more than there are windows, in case some are broken, and few enough to take a
# minute.
MOST_PHOTOS = 200
# Side of a window of a photo, and the fewest and most windows: a second each, and more pixels than a run of
# an hour learns by heart.
WINDOW, FEWEST_WINDOWS, MOST_WINDOWS, _WINDOWS_PER_MINUTE = 1024, 4, 64, 8
# Factors by which the results are made smaller, and sharper.
_SMALLER = (2, 3)


@dataclass(frozen=True, eq=False, kw_only=True)
class AdaptationSources(SampleSources):
    """Sources made of noisy photos alone.

    Attributes:
        pool: The photos.
        by: Identifies the weights that made the pictures.
    """

    pool: PhotoPool
    by: str

    @property
    def checksum(self) -> int:
        """Checksum of the photos and the weights. The pictures differ slightly between devices."""
        return zlib.crc32(repr((self.pool.checksum, self.by)).encode())

    def describe(self) -> str:
        return self.pool.describe()


def choose_windows(pool: PhotoPool, budget: Budget, least: int, seed: int) -> list[TrainingPhoto]:
    """Windows of the photos in turn, at most 1024 pixels a side, which never overlap.

    Args:
        pool: Photos to choose from.
        budget: Length of the run; a short one has fewer windows, which take a second each.
        least: Least side of a window.
        seed: Seed of the order of the photos and of the windows in each.
    """
    count = MOST_WINDOWS
    if budget.minutes is not None:
        count = max(FEWEST_WINDOWS, min(count, round(_WINDOWS_PER_MINUTE * budget.minutes)))
    photos = [photo for photo in pool.photos if photo.side >= least]
    generator = generator_for(seed, len(photos))
    order = torch.randperm(len(photos), generator=generator).tolist()
    return in_turns([_windows(photos[index], generator) for index in order], count)


def _windows(photo: TrainingPhoto, generator: torch.Generator) -> Iterator[TrainingPhoto]:
    """Equal parts of a photo, which leave nothing out, from a random one on."""
    rows, columns = math.ceil(photo.height / WINDOW), math.ceil(photo.width / WINDOW)
    height, width = photo.height // rows, photo.width // columns
    places = [(row * height, column * width) for row in range(rows) for column in range(columns)]
    first = random_below(len(places), generator)
    for top, left in places[first:] + places[:first]:
        yield photo.window(top, left, height, width)


def prepare_adaptation(
    pool: PhotoPool,
    windows: Sequence[TrainingPhoto],
    cache: PhotoCache,
    denoise: Callable[[Tensor], Tensor],
    by: str,
    on_progress: OnProgress | None = None,
) -> AdaptationSources:
    """Denoises windows of photos, and finds their noise.

    Args:
        pool: The photos.
        windows: Parts of them.
        cache: Cache for the pictures; an earlier start of the run has left them there.
        denoise: Maps a noisy (3, H, W) uint16 picture, stretched if it is in linear light, to a clean one.
        by: Identifies what denoises, such as the sha256 of weights.
        on_progress: Called with the number of finished windows and their total.

    Raises:
        OutputError: The disk is full.
    """
    pictures: list[TrainingPhoto] = []
    for done, window in enumerate(windows):
        result = derived_picture(cache, window, "result", partial(_denoised, window, denoise), by)
        pictures += [result, *(_smaller(cache, result, factor, by) for factor in _SMALLER)]
        if on_progress:
            on_progress(done + 1, len(windows))
    return AdaptationSources(
        pool=pool,
        by=by,
        clean=tuple(pictures),
        own=find_noise(windows),
        is_grey=all(is_neutral(as_16_bits(window)) for window in windows),
        is_fine=any(window.read(0, 0, 1, 1).dtype != np.uint8 for window in windows),
    )


def _denoised(window: TrainingPhoto, denoise: Callable[[Tensor], Tensor]) -> Tensor:
    return denoise(seen_picture(window))


def _smaller(cache: PhotoCache, result: TrainingPhoto, factor: int, by: str) -> TrainingPhoto:
    return derived_picture(cache, result, f"by{factor}", partial(downscaled, result, factor), by)
