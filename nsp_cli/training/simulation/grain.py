"""Film grain: clumps that are strongest in the mid-tones, and mostly without colour."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.smooth_field import smooth_field


@dataclass(frozen=True)
class Grain:
    """The grain of a film. Widths are standard deviations in pixels, levels have white at 1.

    Attributes:
        level, width: Level in the mid-tones, and width of the clumps.
        colour_level, colour_width: The same for grain that each dye layer has for itself; level 0 for none.
    """

    level: float
    width: float
    colour_level: float
    colour_width: float


def draw_grain(generator: torch.Generator) -> Grain:
    """Draws grain from that of a fine slide film to that of a pushed one."""
    is_coloured = random_event(0.5, generator)
    return Grain(
        random_log_uniform(1.5, 30, generator) / 255,
        random_uniform(0.4, 1.8, generator),
        random_log_uniform(0.3, 8, generator) / 255 if is_coloured else 0.0,
        random_uniform(0.4, 1.6, generator),
    )


def grain_noise(grain: Grain, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Grain for a picture (3, H, W) in [0, 1], (3, H, W); the generator is on the picture's device."""
    brightness, shape = picture.mean(0, keepdim=True), (picture.shape[-2], picture.shape[-1])
    clumps = smooth_field((1, *shape), grain.width, generator)
    # Density varies least where hardly any, or nearly all, of the silver is developed.
    noise = grain.level * (0.25 + 3 * brightness * (1 - brightness)) * clumps
    if grain.colour_level:
        noise = noise + grain.colour_level * smooth_field((3, *shape), grain.colour_width, generator)
    return noise.expand(3, -1, -1)
