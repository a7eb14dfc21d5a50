"""Makes what a RAW network learns from of a photographer's own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from nsp_cli.errors import TrainingError
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.derived import derived_picture
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.data.raw_files import Sensor
from nsp_cli.training.raw.own_windows import (
    LEAST_WHOLE,
    OwnWindow,
    aligned,
    denoised,
    halved,
    whole_crop,
    with_errors,
)


def prepare_own_windows(
    windows: Sequence[TrainingPhoto],
    sensors: Mapping[Path, Sensor],
    cache: PhotoCache,
    restorer: Restorer,
    by: str,
    on_progress: OnProgress | None = None,
) -> list[OwnWindow]:
    """Denoises windows of mosaics, halves the results, and leaves out what is too dark or clipped.

    Args:
        windows: Parts of mosaics.
        sensors: Sensors by the files of the mosaics.
        cache: Cache for the pictures; an earlier start of the run has left them there.
        restorer: The network that the training starts from.
        by: Identifies its weights.
        on_progress: Called with the number of finished windows and their total.

    Raises:
        TrainingError: Nothing is left.
        OutputError: The disk is full.
    """
    kept = []
    for done, window in enumerate(windows):
        own = _prepared(window, sensors[window.file], cache, restorer, by)
        if _whole_share(own) >= LEAST_WHOLE:
            kept.append(own)
        if on_progress:
            on_progress(done + 1, len(windows))
    if not kept:
        raise TrainingError(
            "There is nothing to train on: the RAW files are too small, too dark, or overexposed.",
            "Give RAW files whose noise neither black nor white cuts off.",
        )
    return with_errors(restorer, kept)


def _prepared(
    window: TrainingPhoto, sensor: Sensor, cache: PhotoCache, restorer: Restorer, by: str
) -> OwnWindow:
    mosaic = aligned(window, sensor)
    expected = derived_picture(cache, mosaic, "sensor", partial(_expected, restorer, mosaic, sensor), by)
    half = derived_picture(cache, expected, "half", partial(_half, expected, sensor), by)
    return OwnWindow(mosaic, expected, half, sensor)


def _expected(restorer: Restorer, mosaic: TrainingPhoto, sensor: Sensor) -> Tensor:
    return torch.from_numpy(denoised(restorer, mosaic, sensor).pixels).permute(2, 0, 1)


def _half(expected: TrainingPhoto, sensor: Sensor) -> Tensor:
    return halved(expected.read(0, 0, expected.height, expected.width), sensor)


def _whole_share(own: OwnWindow) -> float:
    """Share of a window's values that clipping does not touch."""
    expected = own.expected.read(0, 0, own.expected.height, own.expected.width)
    return float(whole_crop(own.mosaic, expected, own.sensor).is_whole.float().mean())
