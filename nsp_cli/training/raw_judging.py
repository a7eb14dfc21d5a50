"""Judges which of two RAW networks suits a photographer's files better, and shows what they make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.ops.pixels import pixels_to_tensor
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import SensorPicture, developed
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.data.raw_files import Sensor
from nsp_cli.training.judging import BothNetworks
from nsp_cli.training.measures import FEWEST_JUDGED, LEAST_GAIN, SPLIT_ERROR, Judgement
from nsp_cli.training.raw.own_windows import (
    LEAST_WHOLE,
    aligned,
    denoised,
    mosaic_of,
    split_error,
    whole_crop,
)
from nsp_cli.training.raw.splitting import MosaicCrops

# How noise is split: what the networks see has 1.1 times the noise of the photo. A target with 2.2 times the
# noise tells less, but on regions of 448² pixels still a hundredth of the error.
_SHARE = 0.5


def judge_raw(
    before: Restorer,
    after: Restorer,
    held_out: Sequence[TrainingPhoto],
    sensors: Mapping[Path, Sensor],
    on_progress: OnProgress | None = None,
) -> Judgement | None:
    """Compares two RAW networks on held-out regions by their errors beside a split mosaic.

    Args:
        before: Earlier network. Its results also say how strong the noise is at each place.
        after: New network.
        held_out: Regions that neither network was trained on.
        sensors: Sensors by the files of the regions.
        on_progress: Called with the number of finished comparisons and their total.

    Returns:
        Judgement; None if fewer than four regions are left that are neither dark nor overexposed.
    """
    crops = [_crop(before, region, sensors[region.file]) for region in held_out]
    crops = [crop for crop in crops if float(crop.is_whole.float().mean()) >= LEAST_WHOLE]
    if len(crops) < FEWEST_JUDGED:
        return None
    compare = BothNetworks(before, after, len(crops), on_progress)
    measure = compare(SPLIT_ERROR, 2, partial(_error, crops), len(crops), least=LEAST_GAIN)
    return Judgement((measure,), len(crops))


def _crop(restorer: Restorer, region: TrainingPhoto, sensor: Sensor) -> MosaicCrops:
    photo = aligned(region, sensor)
    return whole_crop(photo, denoised(restorer, photo, sensor).pixels, sensor)


def _error(crops: Sequence[MosaicCrops], restorer: Restorer, index: int) -> float:
    return split_error(restorer, crops[index], _SHARE, seed=index)


def developed_versions(
    restorers: Mapping[str, Restorer], photo: TrainingPhoto, sensor: Sensor
) -> dict[str, Tensor]:
    """Develops a region as it is, by bilinear demosaicing, and as networks denoise it, upright.

    Returns:
        (3, H, W) uint16 sRGB by name; the first is "noisy".
    """
    pictures = {"noisy": _plain(photo, sensor)}
    pictures |= {name: denoised(restorer, photo, sensor) for name, restorer in restorers.items()}
    like = sensor.like
    upright = {
        name: replace(picture, pixels=like.upright(picture.pixels), exposure=like.exposure)
        for name, picture in pictures.items()
    }
    return {name: pixels_to_tensor(developed(picture)) for name, picture in upright.items()}


def _plain(photo: TrainingPhoto, sensor: Sensor) -> SensorPicture:
    mosaic = mosaic_of(photo, sensor)
    light = torch.from_numpy(mosaic.light())
    height, width = light.shape
    [masks] = bayer_masks(height, width, [mosaic.first_red], light.device)
    filled = demosaic_bilinear((light * masks)[None])[0].movedim(0, -1).numpy()
    return SensorPicture(np.rint(filled.clip(0, 1) * 65535).astype(np.uint16), sensor.like.colours)
