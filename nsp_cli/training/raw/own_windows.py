"""Windows of what sensors saw, with what the network to start from makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.ops.bayer import CELL_SIDE
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.photo import Mosaic, SensorPicture, developed
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.mosaic_denoising import denoise_mosaic
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.data.raw_files import Sensor
from nsp_cli.training.raw.splitting import MosaicCrops, own_colours
from nsp_cli.training.seeded_random import generator_for

# Share of a window's values that must be free of clipping, for it to tell something.
LEAST_WHOLE = 0.25
# Share of the noise that the measured one may be wrong by: the spread of what it is measured on.
_UNSURE = 0.04
# Side in pixels of what of a window is split to know an error of a training's start.
_TRIED = 512


@dataclass(frozen=True, eq=False)
class OwnWindow:
    """A window to learn from.

    Attributes:
        mosaic: What the sensor saw, from a red pixel on; even sides.
        expected: The same without noise and in all colours, in the light of the sensor.
        half: Developed at half the size, sharp and nearly without noise.
        sensor: The sensor.
        error: Squared error in levels² before the training, where noise is √2 times as strong.
    """

    mosaic: TrainingPhoto
    expected: TrainingPhoto
    half: TrainingPhoto
    sensor: Sensor
    error: float = 0.0


def aligned(photo: TrainingPhoto, sensor: Sensor) -> TrainingPhoto:
    """The part of a photo that begins with a red pixel and has even sides."""
    row, column = (
        (first - start) % CELL_SIDE
        for first, start in zip(sensor.like.first_red, (photo.top, photo.left), strict=True)
    )
    height, width = ((side - cut) // CELL_SIDE * CELL_SIDE for side, cut in zip(
        (photo.height, photo.width), (row, column), strict=True
    ))  # fmt: skip
    return photo.window(row, column, height, width)


def mosaic_of(photo: TrainingPhoto, sensor: Sensor) -> Mosaic:
    """What the sensor saw of a photo, not turned."""
    samples = photo.read(0, 0, photo.height, photo.width)
    return sensor.mosaic(samples, photo.top, photo.left)


def denoised(restorer: Restorer, photo: TrainingPhoto, sensor: Sensor) -> SensorPicture:
    """Denoises a photo with the noise that the whole file has, not turned."""
    mosaic = mosaic_of(photo, sensor)
    return denoise_mosaic(restorer, mosaic, noise=sensor.noise, keep_hot_pixels=True).picture


def halved(pixels: Pixels, sensor: Sensor) -> Tensor:
    """Develops a picture in the light of a sensor at half the size, (3, H / 2, W / 2) uint16 sRGB."""
    cells = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, 3).astype(np.float32)
    small = np.rint(cells.mean((1, 3))).astype(np.uint16)
    seen = developed(SensorPicture(small, sensor.like.colours))
    return torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)))


def crop_of(light: Tensor, expected: Tensor, sensor: Sensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """What `MosaicCrops` holds of a crop: of a mosaic (H, W) and a picture (3, H, W) in a sensor's light."""
    whites = torch.tensor(sensor.gains)
    gain = own_colours(whites.view(1, 3, 1, 1).expand(1, 3, *light.shape))[0]
    balanced = own_colours(expected[None])[0] * gain
    lowest = torch.tensor(-float(sensor.like.black.min()) / sensor.like.white)
    return light[None] * gain, balanced, sensor.noise.of_sites(sensor.gains), whites, lowest


def whole_crop(photo: TrainingPhoto, expected: Pixels, sensor: Sensor) -> MosaicCrops:
    """A whole aligned photo as a batch of one."""
    light = torch.from_numpy(mosaic_of(photo, sensor).light())
    seen = to_unit_range(torch.from_numpy(expected).permute(2, 0, 1))
    return MosaicCrops(*(part[None] for part in crop_of(light, seen, sensor)))


def split_error(restorer: Restorer, crops: MosaicCrops, share: float, seed: int) -> float:
    """Most that the squared error of a RAW network on a crop may be, in levels²; for arguments see `split`.

    It is above the estimate by what the noise may be less than measured. The same is added for all networks,
    so that a gain is right, and as a share of the error rather too small.
    """
    split = crops.split(share, [generator_for(seed)])
    predicted = restorer.demosaic(split.given[0, 0], to_device(split.told[0], restorer.execution.device))
    return float(split.error(predicted[None].cpu()) + _UNSURE * crops.level)


def with_errors(restorer: Restorer, windows: Sequence[OwnWindow]) -> list[OwnWindow]:
    """Adds errors before the training to windows: the mean over those of a photo."""
    errors: dict[object, list[float]] = {}
    for number, window in enumerate(windows):
        errors.setdefault(window.mosaic.file, []).append(_error(restorer, window, number))
    return [replace(window, error=max(0.0, fmean(errors[window.mosaic.file]))) for window in windows]


def _error(restorer: Restorer, window: OwnWindow, seed: int) -> float:
    height, width = (min(_TRIED, side) for side in (window.mosaic.height, window.mosaic.width))
    photo = window.mosaic.window(0, 0, height, width)
    return split_error(
        restorer, whole_crop(photo, window.expected.read(0, 0, height, width), window.sensor), 1.0, seed
    )
