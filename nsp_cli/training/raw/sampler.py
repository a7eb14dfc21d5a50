"""Draws the samples of the RAW network: a sharp picture, and the camera that takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import pinned
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.distillation.crops import busiest_crop
from nsp_cli.training.run.recipe import RawRecipe
from nsp_cli.training.seeded_random import (
    WeightedChoice,
    generator_for,
    random_event,
    random_uniform,
)
from nsp_cli.training.simulation.drawing import draw_drawing
from nsp_cli.training.simulation.heap import draw_heap
from nsp_cli.training.simulation.night import draw_night
from nsp_cli.training.simulation.printed import draw_print
from nsp_cli.training.simulation.raw_camera import RawCamera, draw_raw_camera
from nsp_cli.training.simulation.smooth_field import smooth_field

# Widths of a gradient's changes, in sides.
_SLOW = (0.1, 0.5)


DrawCamera = Callable[[torch.Generator], RawCamera]


@dataclass(frozen=True, eq=False)
class DrawnRaw:
    """Samples of a step.

    Attributes:
        pictures: (B, 3, S, S) sRGB in [0, 1].
        cameras: Camera of each.
        errors: Errors of the noise that the network is told, as powers of e, (B, 2, 1).
    """

    pictures: Tensor
    cameras: tuple[RawCamera, ...]
    errors: Tensor

    def pin_memory(self) -> DrawnRaw:
        """The same with the pictures in pinned memory."""
        return DrawnRaw(pinned(self.pictures), self.cameras, self.errors)


class RawSampler:
    """Draws samples; the same seed and step always give the same ones."""

    def __init__(
        self,
        photos: Sequence[TrainingPhoto],
        recipe: RawRecipe,
        *,
        rank: int = 0,
        draw_camera: DrawCamera = draw_raw_camera,
    ) -> None:
        """Gives each photo and each kind of picture its probability.

        Args:
            photos: Sharp photos without noise, each at least a crop wide and high.
            recipe: Shares of the kinds of pictures.
            rank: This process draws the samples `rank`·B to `rank`·B + B − 1 of a step.
            draw_camera: Draws the camera of a sample.
        """
        self._recipe, self._rank, self._draw_camera = recipe, rank, draw_camera
        self._photos = WeightedChoice(photos, [photo.megapixels for photo in photos])
        kinds: dict[Callable[[torch.Generator], Tensor], float] = {
            self._photo: recipe.photos * bool(photos),
            lambda own: draw_heap(recipe.crop, own): recipe.heaps,
            lambda own: draw_drawing(recipe.crop, own): recipe.drawings,
            lambda own: draw_print(recipe.crop, own): recipe.prints,
            lambda own: draw_night(recipe.crop, own): recipe.nights,
            lambda own: _draw_gradient(recipe.crop, own): recipe.gradients,
        }
        self._kinds = WeightedChoice(list(kinds), list(kinds.values()))

    def draw(self, seed: int, step: int) -> DrawnRaw:
        """Samples of a step for this process."""
        first = self._rank * self._recipe.batch
        generators = [generator_for(seed, step, first + number) for number in range(self._recipe.batch)]
        pictures = torch.stack([self._kinds.draw(own)(own) for own in generators])
        cameras = tuple(self._draw_camera(own) for own in generators)
        spread = torch.tensor(self._recipe.noise_errors)[:, None]
        errors = torch.stack([spread * torch.randn(2, 1, generator=own) for own in generators])
        return DrawnRaw(pictures, cameras, errors)

    def _photo(self, generator: torch.Generator) -> Tensor:
        return busiest_crop(self._photos, self._recipe.crop, self._recipe.busy, generator)


def _draw_gradient(side: int, generator: torch.Generator) -> Tensor:
    """Draws colours that change slowly, (3, S, S) sRGB in [0, 1]."""
    slow = smooth_field((3, side, side), side * random_uniform(*_SLOW, generator), generator)
    if random_event(0.5, generator):
        slow = slow[:1].expand(3, -1, -1)
    middle = torch.rand(3, 1, 1, generator=generator)
    return (middle + random_uniform(0, 0.3, generator) * slow).clamp(0, 1).contiguous()
