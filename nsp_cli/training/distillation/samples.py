"""Draws a student's lessons: which pictures, and what noise they are to get."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nsp_cli.device import pinned
from nsp_cli.errors import TrainingError
from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.ops.pixels import Pixels, to_unit_range
from nsp_cli.ops.resampling import KERNELS
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.sampler import photo_weight
from nsp_cli.training.distillation.teacher_data import Picture, Study
from nsp_cli.training.run.recipe import StudentRecipe
from nsp_cli.training.seeded_random import Deck, below, generator_for, happens
from nsp_cli.training.simulation.augmentation import Exposure, draw_exposure
from nsp_cli.training.simulation.camera import Camera, draw_camera

# How wrong a measurement may be, as powers of e: all bands alike, each for itself, and coarse luma,
# where a gentle gradient is taken for noise.
_ALL_WRONG, _EACH_WRONG, _COARSE_WRONG = 0.3, 0.2, 0.6


@dataclass(frozen=True, eq=False)
class Plan:
    """What becomes of a picture in a lesson.

    Attributes:
        number: The lesson's place in the step over all processes; decides its noise.
        noise: Where its noise comes from; None where it is a photo with its own.
        exposure: Of the picture.
        kernel: What an enlarging student's input is halved with.
        wrong: (6,) powers of e that its measured noise is off by.
    """

    number: int
    noise: Camera | NoiseProfile | None
    exposure: Exposure
    kernel: str
    wrong: Tensor


@dataclass(frozen=True, eq=False)
class Drawn:
    """A step's lessons of one process, as drawn and not yet made.

    Attributes:
        clean: (B, 3, t·S, t·S) in [0, 1], pictures as they are stored.
        own: The photos themselves, of the lessons that have their own noise, in order; maybe none.
        plans: One for each lesson.
    """

    clean: Tensor
    own: tuple[Tensor, ...]
    plans: tuple[Plan, ...]

    def pin_memory(self) -> Drawn:
        return replace(self, clean=pinned(self.clean))


class LessonSampler:
    """Draws lessons; the same seed and step always give the same."""

    def __init__(self, study: Study, recipe: StudentRecipe, scale: int, *, rank: int = 0) -> None:
        """Sorts the pictures.

        Args:
            study: What to draw from.
            recipe: How much of which kind.
            scale: t; targets are so much larger than inputs.
            rank: This process draws the lessons `rank`·B to `rank`·B + B − 1 of a step.

        Raises:
            TrainingError: No picture is as large as a target.
        """
        self._recipe, self._side, self._rank = recipe, recipe.crop * scale, rank
        self._noises = study.noises
        self._deck = _deck(study, recipe, self._side)

    def draw(self, seed: int, step: int) -> Drawn:
        """Returns this process's lessons of a step."""
        first = self._rank * self._recipe.batch
        clean, own, plans = [], [], []
        for number in range(first, first + self._recipe.batch):
            generator = generator_for(seed, step, number)
            picture, photo = _crop(self._deck.draw(generator), self._side, generator)
            clean.append(picture)
            own += [] if photo is None else [photo]
            plans.append(self._plan(number, generator, has_own=photo is not None))
        return Drawn(_in_unit_range(np.stack(clean)), tuple(map(_in_unit_range, own)), tuple(plans))

    def _plan(self, number: int, generator: torch.Generator, *, has_own: bool) -> Plan:
        return Plan(
            number,
            None if has_own else self._draw_noise(generator),
            Exposure() if has_own else draw_exposure(generator),
            list(KERNELS)[below(len(KERNELS), generator)],
            _draw_wrongness(generator),
        )

    def _draw_noise(self, generator: torch.Generator) -> Camera | NoiseProfile:
        if self._noises and happens(self._recipe.measured, generator):
            return self._noises[below(len(self._noises), generator)]
        return draw_camera(generator)


def _crop(picture: Picture, side: int, generator: torch.Generator) -> tuple[Pixels, Pixels | None]:
    """Cuts the same place, (3, side, side), out of a picture and, if its lesson is real, the photo."""
    photo = picture.clean
    top, left = (below(size - side + 1, generator) for size in (photo.height, photo.width))
    turns, is_mirrored = below(4, generator), happens(0.5, generator)

    def cut(source: TrainingPhoto) -> Pixels:
        pixels = np.rot90(source.read(top, left, side, side), turns)
        if pixels.dtype == np.uint8:
            pixels = pixels.astype(np.uint16) * 257  # 65535 / 255, exactly
        return (pixels[:, ::-1] if is_mirrored else pixels).transpose(2, 0, 1)

    return cut(photo), None if picture.noisy is None else cut(picture.noisy)


def _in_unit_range(pixels: Pixels) -> Tensor:
    return to_unit_range(torch.from_numpy(np.ascontiguousarray(pixels)))


def _draw_wrongness(generator: torch.Generator) -> Tensor:
    wrong = _ALL_WRONG * torch.randn(1, generator=generator) + _EACH_WRONG * torch.randn(
        6, generator=generator
    )
    wrong[0] += _COARSE_WRONG * torch.randn((), generator=generator).abs()
    return wrong


def _deck(study: Study, recipe: StudentRecipe, side: int) -> Deck[Picture]:
    """Puts the pictures of each kind that are large enough together, each kind with its share."""
    shares = (
        (study.real, recipe.real, recipe.noise_emphasis),
        (study.taught, recipe.taught, 0.0),
        (study.reduced, 1 - recipe.real - recipe.taught, 0.0),
    )
    pictures: list[Picture] = []
    weights: list[float] = []
    for kind, share, emphasis in shares:
        usable = [picture for picture in kind if picture.clean.side >= side]
        chances = [photo_weight(picture.clean, emphasis) for picture in usable]
        pictures += usable
        weights += [share * chance / sum(chances) for chance in chances]
    if not pictures:
        raise _too_small(side)
    return Deck(pictures, weights)


def check_sizes(pool: PhotoPool, recipe: StudentRecipe, scale: int) -> None:
    """Passes only if some photo is large enough, before a teacher spends an hour on them.

    Raises:
        TrainingError: None is.
    """
    side = recipe.crop * scale
    if max(photo.side for photo in pool.photos) < side:
        raise _too_small(side)


def _too_small(side: int) -> TrainingError:
    return TrainingError(f"no photo has the {side} pixels a side that lessons need.", "Add larger photos.")
