"""Draws batches of crops: the same seed and step always give the same crops."""

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

# Photos below this noise level (8-bit grey levels after 2×2 averaging) count as mild: their own
# noise leaves room for simulated noise. The phone night shots we train on start at about 4.
MILD_NOISE = 4.0
# Even a photo without noise is drawn now and then.
_LEAST_NOISE = 0.5


@dataclass(frozen=True, eq=False)
class PhotoCrop:
    """A crop as it was drawn.

    Attributes:
        pixels: (3, side, side) float32 in [0, 1], or uint8, which travels to a device four times faster.
        noise: The simulated sensor noise to add; None for none.
        number: Its place in the step's batch over all processes; decides its randomness.
    """

    pixels: Tensor
    noise: SensorNoise | None
    number: int


class CropSampler:
    """Draws crops with a photo's chance proportional to its area, times its noise where asked for.

    Photos smaller than a crop get batches of their own, with smaller and proportionally more crops,
    so that there are just two batch shapes (each is compiled once).
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
        """Sorts the photos.

        Args:
            photos: What to draw from.
            crop: Side of a crop; rounded down to `multiple`.
            batch: Crops per step and process.
            multiple: Sides of crops are multiples of this.
            simulated: Share of the mild photos' crops that get simulated sensor noise.
            noise_emphasis: Power of the noise level in a photo's chance.
            rank: This process draws the crops `rank`·B to `rank`·B + B − 1 of a step.

        Raises:
            TrainingError: No photo is as large as `multiple`.
        """
        usable = [photo for photo in photos if photo.side >= multiple]
        if not usable:
            raise TrainingError(
                f"no photo has the {multiple} pixels a side that this network needs.",
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
        """Returns this process's crops of a step, flipped and rotated at random."""
        # All processes draw the same shape, or the slowest would set the pace.
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
    """Photos that give crops of one size.

    Attributes:
        deck: The photos, drawn by area and noise.
        count: Crops in a step's batch, per process.
        side: Of a crop.
    """

    choice: WeightedChoice[TrainingPhoto]
    count: int
    side: int


def photo_choice(photos: Sequence[TrainingPhoto], noise_emphasis: float) -> WeightedChoice[TrainingPhoto]:
    """Gives each photo a chance proportional to its area, times that power of its noise."""
    return WeightedChoice(photos, [photo_weight(photo, noise_emphasis) for photo in photos])


def photo_weight(photo: TrainingPhoto, noise_emphasis: float) -> float:
    """Returns a photo's area in megapixels, times that power of its noise."""
    return photo.megapixels * math.pow(max(photo.noise, _LEAST_NOISE), noise_emphasis)


def _as_tensor(pixels: np.ndarray) -> Tensor:
    """Returns (3, H, W): uint8 as it is, 16 bits as float32 in [0, 1]."""
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.float32) / 65535
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
