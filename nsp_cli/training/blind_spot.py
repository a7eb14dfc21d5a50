"""Blind-spot training on noisy photos alone (paper Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nsp_cli.device import pinned, to_device
from nsp_cli.networks import NetworkSpec
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.training.data.pairs import make_pairs
from nsp_cli.training.data.pool import PhotoPool
from nsp_cli.training.data.sampler import CropSampler, PhotoCrop
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import BlindSpotRecipe
from nsp_cli.training.run.task import TrainingBatch
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.sensor import SensorNoise, add_sensor_noise

# Separates the random numbers of the pairs from those of the crops.
_PAIRS = 1


class BlindSpotTask:
    """Trains a network to predict the next finer scale of noisy photos without seeing that pixel."""

    def __init__(
        self,
        pool: PhotoPool,
        recipe: BlindSpotRecipe,
        spec: NetworkSpec,
        processes: ProcessGroup | None = None,
    ) -> None:
        """Sets up the crop sampler.

        Args:
            pool: Photos to train on.
            recipe: Settings of the training.
            spec: Specification of the network.
            processes: Processes that share the batches; None for this one alone.

        Raises:
            TrainingError: No photo is large enough for the network.
        """
        self.recipe, self._scale, self._pool = recipe, spec.scale, pool
        self._sampler = CropSampler(
            pool.photos,
            crop=recipe.crop,
            batch=recipe.batch,
            multiple=recipe.pd_factor * spec.input_multiple,
            simulated=recipe.simulated,
            noise_emphasis=recipe.noise_emphasis,
            rank=(processes or ProcessGroup()).rank,
        )

    @property
    def pd_factor(self) -> int:
        """PD factor s."""
        return self.recipe.pd_factor

    @property
    def checksum(self) -> int:
        return self._pool.checksum

    @property
    def data(self) -> str:
        return self._pool.describe()

    def describe(self) -> str:
        recipe = self.recipe
        return f"s = {recipe.pd_factor}, t = {self._scale}, n = {recipe.targets}, {recipe.strategy} targets"

    def draw(self, seed: int, step: int) -> DrawnCrops:
        return stack_crops(self._sampler.draw(seed, step))

    def make_batch(self, drawn: DrawnCrops, *, seed: int, step: int, device: torch.device) -> TrainingBatch:
        inputs, targets = make_pair_batch(
            drawn, self.recipe, self._scale, seed=seed, step=step, device=device
        )
        return TrainingBatch((inputs,), targets)


@dataclass(frozen=True, eq=False)
class DrawnCrops:
    """Crops of one step and process, before they reach the device.

    Attributes:
        pixels: (B, 3, S, S): uint8 if all crops are, which is faster to copy; else floats in [0, 1].
        noises: Simulated noise of each crop, as in `PhotoCrop`.
        numbers: Number of each crop in the step, as in `PhotoCrop`.
    """

    pixels: Tensor
    noises: tuple[SensorNoise | None, ...]
    numbers: tuple[int, ...]

    def pin_memory(self) -> DrawnCrops:
        return replace(self, pixels=pinned(self.pixels))


def stack_crops(crops: Sequence[PhotoCrop]) -> DrawnCrops:
    """Stacks the crops of a step. This takes long enough to delay a GPU, so it is done in advance."""
    pixels = [crop.pixels for crop in crops]
    if len({one.dtype for one in pixels}) > 1:
        pixels = list(map(to_unit_range, pixels))
    noises, numbers = tuple(crop.noise for crop in crops), tuple(crop.number for crop in crops)
    return DrawnCrops(torch.stack(pixels), noises, numbers)


def make_pair_batch(
    drawn: DrawnCrops, recipe: BlindSpotRecipe, scale: int, *, seed: int, step: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Makes the training pairs of a step.

    The random numbers of a crop depend only on its number in the step. Two processes with half of the crops
    each therefore make the same pairs as one process with all of them.

    Returns:
        Inputs (P·B, 3, S/s, S/s), channels last, and targets (P·B, 3, S/s·t, S/s·t), in [0, 1].
    """
    generators = [generator_for(seed, step, number, _PAIRS, device=device) for number in drawn.numbers]
    pictures = to_unit_range(to_device(drawn.pixels, device))
    noises = {index: noise for index, noise in enumerate(drawn.noises) if noise is not None}
    if noises:
        places = to_device(torch.tensor(list(noises)), device)
        own = [generators[index] for index in noises]
        noisy = add_sensor_noise(pictures[places], list(noises.values()), own)
        pictures = pictures.index_copy(0, places, noisy)  # the drawn crops stay unchanged
    inputs, targets = make_pairs(
        pictures,
        s=recipe.pd_factor,
        t=scale,
        n=recipe.targets,
        strategy=recipe.strategy,
        pairs=recipe.pairs,
        generators=generators,
    )
    return inputs.contiguous(memory_format=torch.channels_last), targets
