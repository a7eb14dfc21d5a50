"""Draws a student's lessons: noisy pictures, what they should become, and how noisy they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.errors import TrainingError
from nsp_cli.noise_bands import bands_of_residual
from nsp_cli.noise_model import sample_noise
from nsp_cli.pixels import to_unit_range
from nsp_cli.training.camera import draw_camera, photograph
from nsp_cli.training.draws import Deck, below, generator_for, happens, uniform
from nsp_cli.training.halving import KERNELS, halve
from nsp_cli.training.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.recipe import StudentRecipe
from nsp_cli.training.sampler import photo_weight
from nsp_cli.training.study import Picture, Study

# Exposures of pictures that get simulated noise, as powers of e: scenes at night are dark.
_EXPOSURES = (-1.3, 0.1)
_CASTS = (0.8, 1.1)
_BLURS = (0.3, 0.9)
# How wrong a measurement may be, as powers of e: all bands alike, each for itself, and coarse luma,
# where a gentle gradient is taken for noise.
_ALL_WRONG, _EACH_WRONG, _COARSE_WRONG = 0.3, 0.2, 0.6


@dataclass(frozen=True, eq=False)
class Lessons:
    """A step's lessons of one process.

    Attributes:
        noisy: (B, 3, S, S) in [0, 1].
        noise: (B, 6) as `noise_bands`, as wrong as a measurement may be.
        clean: (B, 3, t·S, t·S), the targets.
        weights: (B,) that the losses count with.
    """

    noisy: Tensor
    noise: Tensor
    clean: Tensor
    weights: Tensor


@dataclass(frozen=True, eq=False)
class _Lesson:
    """One lesson in the making.

    Attributes:
        clean: (3, t·S, t·S), the target.
        still: (3, S, S), what the student would see without noise.
        noisy: (3, S, S), or None where noise is to be simulated.
    """

    clean: Tensor
    still: Tensor
    noisy: Tensor | None


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
        self._recipe, self._scale, self._rank = recipe, scale, rank
        self._noises = study.noises
        self._deck = _deck(study, recipe, recipe.crop * scale)

    def draw(self, seed: int, step: int) -> Lessons:
        """Returns this process's lessons of a step."""
        first = self._rank * self._recipe.batch
        generators = [generator_for(seed, step, first + index) for index in range(self._recipe.batch)]
        lessons = [self._draw_lesson(generator) for generator in generators]
        noisy = torch.stack(self._with_noise(lessons, generators))
        residuals = noisy - torch.stack([lesson.still for lesson in lessons])
        noise = torch.stack(list(map(bands_of_residual, residuals)))
        return Lessons(
            noisy,
            torch.stack([_measured(bands, g) for bands, g in zip(noise, generators, strict=True)]),
            torch.stack([lesson.clean for lesson in lessons]),
            # The mean of luma, in levels; a tenth of white counts 1.
            (10 * noise[:, :3].mean(1) + 0.04).pow(-self._recipe.balance),
        )

    def _draw_lesson(self, generator: torch.Generator) -> _Lesson:
        picture = self._deck.draw(generator)
        clean, noisy = _crop(picture, self._recipe.crop * self._scale, generator)
        kernel = list(KERNELS)[below(len(KERNELS), generator)]
        if noisy is None:
            clean = _exposed(clean, generator)
        if self._scale == 1:
            return _Lesson(clean, clean, noisy)
        # Sharp kernels overshoot, and a negative exposure has no shot noise.
        still = halve(clean, kernel).clamp(0, 1)
        return _Lesson(clean, still, None if noisy is None else halve(noisy, kernel).clamp(0, 1))

    def _with_noise(self, lessons: Sequence[_Lesson], generators: Sequence[torch.Generator]) -> list[Tensor]:
        """Returns (3, S, S) each: what the student sees."""
        seen = [lesson.still if lesson.noisy is None else lesson.noisy for lesson in lessons]
        by_camera = []
        for index, (lesson, generator) in enumerate(zip(lessons, generators, strict=True)):
            if lesson.noisy is not None:
                continue
            if self._noises and happens(self._recipe.measured, generator):
                seen[index] = self._with_measured_noise(lesson.still, generator)
            else:
                by_camera.append(index)
        if by_camera:
            own = [generators[index] for index in by_camera]
            stills = torch.stack([seen[index] for index in by_camera])
            taken = photograph(stills, [draw_camera(generator) for generator in own], own)
            for index, picture in zip(by_camera, taken, strict=True):
                seen[index] = picture
        return seen

    def _with_measured_noise(self, still: Tensor, generator: torch.Generator) -> Tensor:
        profile = self._noises[below(len(self._noises), generator)]
        noisy = still + sample_noise(profile, still, generator)
        return (noisy.clamp(0, 1) * 255).round() / 255


def _crop(picture: Picture, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """Cuts the same place out of a picture and, where the lesson is real, its noisy original."""
    photo = picture.clean
    top, left = (below(size - side + 1, generator) for size in (photo.height, photo.width))
    turns, is_mirrored = below(4, generator), happens(0.5, generator)

    def cut(source: TrainingPhoto) -> Tensor:
        pixels = np.rot90(source.read(top, left, side, side), turns)
        pixels = pixels[:, ::-1] if is_mirrored else pixels
        return to_unit_range(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1))

    return cut(photo), None if picture.noisy is None else cut(picture.noisy)


def _exposed(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Makes another exposure of a picture, at times with a cast or out of focus."""
    if happens(0.5, generator):
        clean = clean * math.exp(uniform(*_EXPOSURES, generator))
    if happens(0.3, generator):
        clean = clean * torch.tensor([uniform(*_CASTS, generator) for _ in range(3)]).view(3, 1, 1)
    if happens(0.3, generator):
        clean = _blurred(clean, uniform(*_BLURS, generator))
    return clean.clamp(0, 1)


def _blurred(image: Tensor, width: float) -> Tensor:
    taps = torch.exp(-(torch.arange(-3, 4) ** 2) / (2 * width**2))
    taps = taps / taps.sum()
    padded = functional.pad(image[:, None], (3,) * 4, mode="reflect")
    rows = functional.conv2d(padded, taps.view(1, 1, 7, 1))
    return functional.conv2d(rows, taps.view(1, 1, 1, 7))[:, 0]


def _measured(bands: Tensor, generator: torch.Generator) -> Tensor:
    """Makes (6,) known noise as uncertain as a measurement of it would be."""
    wrong = _ALL_WRONG * torch.randn(1, generator=generator) + _EACH_WRONG * torch.randn(
        6, generator=generator
    )
    wrong[0] += _COARSE_WRONG * torch.randn((), generator=generator).abs()
    return bands * wrong.exp()


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
