"""Draws batches of crops from photos; the same seed and step always give the same crops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nsp_cli.errors import TrainingError
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.seeded_random import WeightedChoice, generator_for, random_below, random_event
from nsp_cli.training.simulation.sensor import SensorNoise, draw_sensor_noise

# Photos below this noise level, from `noise_level`, have mild noise, so that simulated noise can be added.
# The night shots of phones that we train on start at about 4.
MILD_NOISE = 4.0
# Lowest noise level in a photo's probability, so that photos without noise are drawn too.
_LEAST_NOISE = 0.5


@dataclass(frozen=True, eq=False)
class PhotoCrop:
    """A crop of a photo.

    Attributes:
        pixels: (3, side, side) float32 in [0, 1], or uint8, which is copied to a device four times faster.
        noise: Simulated sensor noise to add; None for none.
        number: Number of the crop in the step, over all processes; seeds its random numbers.
    """

    pixels: Tensor
    noise: SensorNoise | None
    number: int


class CropSampler:
    """Draws crops; a photo's probability grows with its area and, if wanted, with its noise.

    Photos smaller than a crop have their own batches, with smaller and proportionally more crops. There are
    only two batch shapes, because the network is compiled once for each.
    """

    def __init__(
        self,
        photos: Sequence[TrainingPhoto],
        *,
        crop: int,
        batch: int,
        multiple: int,
        simulated: float,
        noise_emphasis: float = 0.0,
        rank: int = 0,
    ) -> None:
        """Sorts the photos by size and gives each its probability.

        Args:
            photos: Photos to draw from.
            crop: Side of a crop; rounded down to a multiple of `multiple`.
            batch: Number of crops per step and process.
            multiple: Number that divides the sides of all crops.
            simulated: Share of the crops from photos with mild noise that get simulated sensor noise.
            noise_emphasis: Exponent of the noise level in a photo's probability.
            rank: This process draws the crops `rank`·B to `rank`·B + B − 1 of a step.

        Raises:
            TrainingError: No photo is as large as `multiple`.
        """
        usable = [photo for photo in photos if photo.side >= multiple]
        if not usable:
            raise TrainingError(
                f"All photos are too small: this network needs {multiple} pixels a side.",
                "Add larger photos.",
            )
        crop = max(1, crop // multiple) * multiple
        self._simulated, self._rank = simulated, rank
        large = [photo for photo in usable if photo.side >= crop]
        small = [photo for photo in usable if photo.side < crop]
        small_side = min((photo.side for photo in small), default=crop) // multiple * multiple
        small_count = max(1, round(batch * (crop / small_side) ** 2))
        self._large = _Shape(photo_choice(large, noise_emphasis), batch, crop)
        self._small = _Shape(photo_choice(small, noise_emphasis), small_count, small_side)
        small_weight = self._small.choice.weight
        self._small_chance = small_weight / (small_weight + self._large.choice.weight)

    def draw(self, seed: int, step: int) -> list[PhotoCrop]:
        """Crops of a step for this process, flipped and rotated at random."""
        # All processes draw the same shape, because each step takes as long as the slowest process.
        is_small = random_event(self._small_chance, generator_for(seed, step))
        shape = self._small if is_small else self._large
        first = self._rank * shape.count
        return [self._draw_crop(shape, seed, step, first + index) for index in range(shape.count)]

    def _draw_crop(self, shape: _Shape, seed: int, step: int, number: int) -> PhotoCrop:
        generator = generator_for(seed, step, number)
        photo, side = shape.choice.draw(generator), shape.side
        top = random_below(photo.height - side + 1, generator)
        left = random_below(photo.width - side + 1, generator)
        pixels = np.rot90(photo.read(top, left, side, side), random_below(4, generator))
        pixels = pixels[:, ::-1] if random_below(2, generator) else pixels
        is_noised = photo.noise < MILD_NOISE and random_event(self._simulated, generator)
        return PhotoCrop(_as_tensor(pixels), draw_sensor_noise(generator) if is_noised else None, number)


@dataclass(frozen=True, eq=False)
class _Shape:
    """Photos whose crops have the same size.

    Attributes:
        choice: Photos with their probabilities.
        count: Number of crops per step and process.
        side: Side of a crop.
    """

    choice: WeightedChoice[TrainingPhoto]
    count: int
    side: int


def photo_choice(photos: Sequence[TrainingPhoto], noise_emphasis: float) -> WeightedChoice[TrainingPhoto]:
    """Choice among photos, weighted by `photo_weight`."""
    return WeightedChoice(photos, [photo_weight(photo, noise_emphasis) for photo in photos])


def photo_weight(photo: TrainingPhoto, noise_emphasis: float) -> float:
    """Area of a photo in megapixels, times its noise level to the power of `noise_emphasis`."""
    return photo.megapixels * math.pow(max(photo.noise, _LEAST_NOISE), noise_emphasis)


def _as_tensor(pixels: np.ndarray) -> Tensor:
    """Pixels (3, H, W): uint8 unchanged, 16 bits as float32 in [0, 1]."""
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.float32) / 65535
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
