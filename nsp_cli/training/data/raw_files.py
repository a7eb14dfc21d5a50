"""What Bayer sensors saw, as training photos: decoded once, with the noise measured on the whole file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nsp_cli.errors import InputError
from nsp_cli.files import write_text
from nsp_cli.noise.sensor_noise import MosaicNoise
from nsp_cli.ops.bayer import CELL_SIDE
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo import CELL_PLACES, Mosaic, SensorColours, camera_facts, read_photo
from nsp_cli.restoration.hot_pixels import without_hot_pixels
from nsp_cli.restoration.mosaic_denoising import level_on_grey_card, measure_noise
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import SMALLEST_SIDE, TrainingPhoto


@dataclass(frozen=True, eq=False)
class Sensor:
    """The sensor that took a photo, and its noise in it.

    Attributes:
        like: The photo's mosaic without its samples, from the first stored pixel on.
        noise: Noise that was measured on the whole file.
    """

    like: Mosaic
    noise: MosaicNoise

    @property
    def gains(self) -> tuple[float, float, float]:
        """White-balance gains of red, green and blue; green's is 1."""
        red, green, blue = self.like.colours.gains.tolist()
        return red / green, 1.0, blue / green

    def mosaic(self, samples: Pixels, top: int, left: int) -> Mosaic:
        """The mosaic of samples (H, W) that are stored from a place on, as the sensor has it: not turned."""
        like = self.like
        black = np.roll(like.black.reshape(2, 2), (-top, -left), (0, 1)).ravel()
        first_red = ((like.first_red[0] - top) % 2, (like.first_red[1] - left) % 2)
        return Mosaic(samples, first_red, black, like.white, like.colours, exposure=like.exposure)


def load_mosaic(
    path: Path, cache: PhotoCache, *, most_bytes: int, rng: np.random.Generator, name: str
) -> TrainingPhoto:
    """Decodes what a sensor saw into the cache, without hot pixels, or a random window of it.

    The arguments are those of `load_photo`. The stored pixels are (H, W) uint16, not turned upright.

    Raises:
        InputError: The file cannot be read, is none of a Bayer sensor or too small, or its noise cannot be
            measured.
        OutputError: The disk is full.
    """
    photo = read_photo(path, keep_mosaic=True)
    if photo.mosaic is None:
        raise InputError(f"{path} does not hold what a Bayer sensor saw: {'; '.join(photo.notes)}.")
    mosaic, facts = photo.mosaic, camera_facts(photo)
    if min(mosaic.samples.shape) < SMALLEST_SIDE:
        raise InputError(f"{path} is too small: both sides need {SMALLEST_SIDE} pixels.")
    noise = measure_noise(mosaic)
    if noise.electrons is None:
        raise InputError(f"{path} is left out: the noise of its sensor could not be measured.")
    samples = _window(_without_hot_pixels(mosaic, noise), most_bytes, rng)
    # Before the pixels: an array in the cache stands for both.
    write_text(cache.path(name).with_suffix(".json"), json.dumps(_as_json(Sensor(mosaic, noise))))
    file, level = cache.store(name, samples), level_on_grey_card(noise, mosaic.colours)
    height, width = samples.shape
    return TrainingPhoto(path, file, 0, 0, height, width, level, facts, zlib.crc32(samples.data))


def read_sensors(photos: Sequence[TrainingPhoto]) -> Mapping[Path, Sensor]:
    """Sensors of photos that `load_mosaic` decoded, by the files of their pixels."""
    return {photo.file: _from_json(photo.file.with_suffix(".json").read_text("utf-8")) for photo in photos}


def _without_hot_pixels(mosaic: Mosaic, noise: MosaicNoise) -> Pixels:
    """Samples in which hot pixels, which are neither noise nor scene, have the value of their neighbours."""
    light = torch.from_numpy(mosaic.light())
    red, green, blue = mosaic.colours.gains.tolist()
    if not without_hot_pixels(light, noise, mosaic.first_red, (red / green, 1.0, blue / green)):
        return mosaic.samples
    values = light.numpy() * np.float32(mosaic.white)
    for black, place in zip(mosaic.black, CELL_PLACES, strict=True):
        values[place] += black
    return np.rint(values).astype(np.uint16)


def _window(samples: Pixels, most_bytes: int, rng: np.random.Generator) -> Pixels:
    """A random window that takes about so many bytes, and begins as the samples do."""
    shrink = min(1.0, (most_bytes / samples.nbytes) ** 0.5)
    height, width = (max(SMALLEST_SIDE, int(side * shrink)) for side in samples.shape)
    top, left = (
        int(rng.integers(0, (side - own) // CELL_SIDE + 1)) * CELL_SIDE
        for side, own in zip(samples.shape, (height, width), strict=True)
    )
    return np.ascontiguousarray(samples[top : top + height, left : left + width])


def _as_json(sensor: Sensor) -> dict[str, Any]:
    like, noise = sensor.like, sensor.noise
    colours = {name: getattr(like.colours, name).tolist() for name in ("gains", "to_srgb", "daylight")}
    return {
        "colours": colours,
        "black": like.black.tolist(),
        "noise": [noise.slope, noise.floor, noise.squares],
        "like": [like.first_red, like.white, like.flip, like.exposure],
    }


def _from_json(text: str) -> Sensor:
    content = json.loads(text)
    colours = {name: np.array(values, np.float32) for name, values in content["colours"].items()}
    first_red, white, flip, exposure = content["like"]
    slope, floor, squares = content["noise"]
    nothing, black = np.zeros((0, 0), np.uint16), np.array(content["black"], np.float32)
    like = Mosaic(nothing, tuple(first_red), black, white, SensorColours(**colours), flip, exposure)
    return Sensor(like, MosaicNoise(tuple(slope), tuple(floor), squares))
