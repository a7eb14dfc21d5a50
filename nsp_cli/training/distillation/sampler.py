"""Draws a student's training samples: the pictures, and the noise to add to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nsp_cli.device import pinned
from nsp_cli.errors import TrainingError
from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.ops.resampling import KERNELS
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.sampler import photo_weight
from nsp_cli.training.distillation.teacher_data import TeacherDataset, TeacherPicture
from nsp_cli.training.run.recipe import StudentRecipe
from nsp_cli.training.seeded_random import WeightedChoice, generator_for, random_below, random_event
from nsp_cli.training.simulation.augmentation import Augmentation, draw_augmentation
from nsp_cli.training.simulation.camera import Camera, draw_camera

# Standard deviations of the conditioning error, as powers of e: an error of all bands, one of each band, and
# one of coarse luma, where the estimate mistakes gentle gradients for noise.
_COMMON_ERROR, _BAND_ERROR, _COARSE_ERROR = 0.3, 0.2, 0.6


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """How a picture is turned into a sample.

    Attributes:
        number: Number of the sample in the step, over all processes; seeds its noise.
        noise: Source of the noise; None if the sample is a photo with its own noise.
        augmentation: Changes before the noise is added.
        kernel: Name of the kernel that halves the input of an enlarging student.
        conditioning_error: Error of each noise band, as powers of e, (6,).
    """

    number: int
    noise: Camera | NoiseProfile | None
    augmentation: Augmentation
    kernel: str
    conditioning_error: Tensor


@dataclass(frozen=True, eq=False)
class DrawnSamples:
    """Pictures and plans of one step and process, before the samples are made of them.

    Attributes:
        clean: Targets before augmentation, (B, 3, t·S, t·S) in [0, 1].
        own: Noisy photos of the samples that keep their own noise, in order; may be empty.
        plans: Plan of each sample.
    """

    clean: Tensor
    own: tuple[Tensor, ...]
    plans: tuple[SamplePlan, ...]

    def pin_memory(self) -> DrawnSamples:
        return replace(self, clean=pinned(self.clean))


class StudentSampler:
    """Draws samples; the same seed and step always give the same ones."""

    def __init__(self, dataset: TeacherDataset, recipe: StudentRecipe, scale: int, *, rank: int = 0) -> None:
        """Gives each picture its probability.

        Args:
            dataset: Pictures to draw from.
            recipe: Shares of the kinds of samples.
            scale: t, how many times the targets are larger than the inputs.
            rank: This process draws the samples `rank`·B to `rank`·B + B − 1 of a step.

        Raises:
            TrainingError: No picture is as large as a target.
        """
        self._recipe, self._side, self._rank = recipe, recipe.crop * scale, rank
        self._noises = dataset.noises
        self._choice = _choice(dataset, recipe, self._side)

    def draw(self, seed: int, step: int) -> DrawnSamples:
        """Samples of a step for this process."""
        first = self._rank * self._recipe.batch
        clean, own, plans = [], [], []
        for number in range(first, first + self._recipe.batch):
            generator = generator_for(seed, step, number)
            picture, photo = _crop(self._choice.draw(generator), self._side, generator)
            clean.append(picture)
            own += [] if photo is None else [photo]
            plans.append(self._plan(number, generator, has_own=photo is not None))
        return DrawnSamples(_in_unit_range(np.stack(clean)), tuple(map(_in_unit_range, own)), tuple(plans))

    def _plan(self, number: int, generator: torch.Generator, *, has_own: bool) -> SamplePlan:
        return SamplePlan(
            number,
            None if has_own else self._draw_noise(generator),
            Augmentation() if has_own else draw_augmentation(generator),
            list(KERNELS)[random_below(len(KERNELS), generator)],
            _draw_conditioning_error(generator),
        )

    def _draw_noise(self, generator: torch.Generator) -> Camera | NoiseProfile:
        if self._noises and random_event(self._recipe.measured, generator):
            return self._noises[random_below(len(self._noises), generator)]
        return draw_camera(generator)


def _crop(picture: TeacherPicture, side: int, generator: torch.Generator) -> tuple[Pixels, Pixels | None]:
    """Cuts the same crop (3, side, side) out of the target and, if there is one, the noisy photo."""
    photo = picture.clean
    top, left = (random_below(size - side + 1, generator) for size in (photo.height, photo.width))
    turns, is_mirrored = random_below(4, generator), random_event(0.5, generator)

    def cut(source: TrainingPhoto) -> Pixels:
        pixels = np.rot90(source.read(top, left, side, side), turns)
        if pixels.dtype == np.uint8:
            pixels = pixels.astype(np.uint16) * 257  # 65535 / 255, exactly
        return (pixels[:, ::-1] if is_mirrored else pixels).transpose(2, 0, 1)

    return cut(photo), None if picture.noisy is None else cut(picture.noisy)


def _in_unit_range(pixels: Pixels) -> Tensor:
    return to_unit_range(torch.from_numpy(np.ascontiguousarray(pixels)))


def _draw_conditioning_error(generator: torch.Generator) -> Tensor:
    conditioning_error = _COMMON_ERROR * torch.randn(1, generator=generator) + _BAND_ERROR * torch.randn(
        6, generator=generator
    )
    conditioning_error[0] += _COARSE_ERROR * torch.randn((), generator=generator).abs()
    return conditioning_error


def _choice(dataset: TeacherDataset, recipe: StudentRecipe, side: int) -> WeightedChoice[TeacherPicture]:
    """Choice among all pictures that are large enough, each kind with its share."""
    shares = (
        (dataset.real, recipe.real, recipe.noise_emphasis),
        (dataset.denoised, recipe.denoised, 0.0),
        (dataset.downscaled, 1 - recipe.real - recipe.denoised, 0.0),
    )
    pictures: list[TeacherPicture] = []
    weights: list[float] = []
    for kind, share, emphasis in shares:
        usable = [picture for picture in kind if picture.clean.side >= side]
        chances = [photo_weight(picture.clean, emphasis) for picture in usable]
        pictures += usable
        weights += [share * chance / sum(chances) for chance in chances]
    if not pictures:
        raise _too_small(side)
    return WeightedChoice(pictures, weights)


def check_sizes(pool: PhotoPool, recipe: StudentRecipe, scale: int) -> None:
    """Checks that at least one photo is large enough, before the teacher spends an hour on them.

    Raises:
        TrainingError: All photos are too small.
    """
    side = recipe.crop * scale
    if max(photo.side for photo in pool.photos) < side:
        raise _too_small(side)


def _too_small(side: int) -> TrainingError:
    return TrainingError(
        f"All photos are too small: the training samples need {side} pixels a side.", "Add larger photos."
    )
