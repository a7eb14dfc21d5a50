"""Night skies: stars and city lights, small bright spots on a dark ground that look like noise."""

from __future__ import annotations

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.smooth_field import smooth_field

# Chances of city lights instead of stars, and of clouds or a milky way.
_LIGHTS, _CLOUDED = 0.3, 0.4


def draw_night(side: int, generator: torch.Generator) -> Tensor:
    """Draws stars or city lights.

    Args:
        side: S.
        generator: Random generator, on the CPU.

    Returns:
        (3, S, S) sRGB in [0, 1].
    """
    level, tilt = random_uniform(0, 0.12, generator), random_uniform(0, 0.5, generator)
    colour = level * (0.6 + 0.6 * torch.rand(3, 1, 1, generator=generator))
    sky = colour * (1 + tilt * torch.linspace(-1, 1, side)[:, None]).expand(3, side, side)
    if random_event(_CLOUDED, generator):
        clouds = smooth_field((1, side, side), random_uniform(8, 25, generator), generator).clamp(min=0)
        sky = sky + random_log_uniform(0.005, 0.1, generator) * clouds * torch.rand(
            3, 1, 1, generator=generator
        )
    sky = sky.clone()
    are_lights = random_event(_LIGHTS, generator)
    # As many in each area, however large the picture is.
    for _ in range(round(random_log_uniform(4, 90, generator) * (side / 128) ** 2)):
        _add_spot(sky, generator, is_light=are_lights)
    return sky.clamp_(0, 1)


def _add_spot(sky: Tensor, generator: torch.Generator, *, is_light: bool) -> None:
    """Adds a star, or a lamp, which is wider and more coloured, in its place."""
    side = sky.shape[-1]
    row, column = random_uniform(0, side, generator), random_uniform(0, side, generator)
    width = random_uniform(0.6, 4, generator) if is_light else random_uniform(0.45, 1.5, generator)
    hue = (1.0 if is_light else 0.35) * (torch.rand(3, 1, 1, generator=generator) - 0.5)
    brightness = random_log_uniform(0.03, 1.5, generator) * (1 + hue)
    reach = int(4 * width + 2)
    rows, columns = (
        torch.arange(max(0, int(at) - reach), min(side, int(at) + reach)) for at in (row, column)
    )
    upright, across = (
        torch.exp(-((places - at) ** 2) / (2 * width**2)) for places, at in ((rows, row), (columns, column))
    )
    sky[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += brightness * upright[:, None] * across
