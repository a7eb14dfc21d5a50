"""Noise that is only in places: shadows that were pushed, a composite's half, a region that was denoised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.smooth_field import smooth_field

# Chances of a half plane, and of either a half plane or a smooth field; the others go by brightness.
_HALVED, _NOT_BY_BRIGHTNESS = 0.45, 0.75
# Steepness at which a border is one pixel wide.
_HARD = 1e4
# Chance that no noise at all is left outside, and else the share of it that is left.
_EMPTY, _LEFT = 0.6, (0.05, 0.5)


@dataclass(frozen=True)
class NoiseMask:
    """Where noise is.

    Attributes:
        by: What decides: the side of a line, a smooth random field, or brightness.
        angle: Direction of the line's normal in radians.
        offset: Distance of the line from the centre in half sides, level of the field's border in standard
            deviations, or brightness at the border.
        steepness: Steepness of the border per unit of `offset`; negative for noise in the dark.
        width: Width of the field in pixels.
        left: Share of the noise that is left outside.
    """

    by: Literal["side", "field", "brightness"]
    angle: float
    offset: float
    steepness: float
    width: float
    left: float


def draw_mask(generator: torch.Generator) -> NoiseMask:
    """Draws a mask of any kind, with a hard or a soft border."""
    angle, width = random_uniform(0, 2 * math.pi, generator), random_uniform(8, 20, generator)
    left = 0.0 if random_event(_EMPTY, generator) else random_uniform(*_LEFT, generator)
    kind = random_uniform(0, 1, generator)
    if kind < _HALVED:
        soft = random_log_uniform(math.e, math.e**4, generator)
        steepness = _HARD if random_event(0.5, generator) else soft
        return NoiseMask("side", angle, random_uniform(-0.6, 0.6, generator), steepness, width, left)
    if kind < _NOT_BY_BRIGHTNESS:
        offset, steepness = random_uniform(-0.5, 0.5, generator), random_uniform(2, 20, generator)
        return NoiseMask("field", angle, offset, steepness, width, left)
    sign = 1 if random_below(3, generator) == 0 else -1
    border, steepness = random_uniform(0.15, 0.6, generator), random_uniform(4, 15, generator)
    return NoiseMask("brightness", angle, border, sign * steepness, width, left)


def mask_of(mask: NoiseMask, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Factors for the noise of a picture.

    Args:
        mask: The mask.
        picture: (3, H, W) in [0, 1], without noise; gives the brightness.
        generator: Random generator, on the picture's device.

    Returns:
        (1, H, W) in [0, 1].
    """
    height, width = picture.shape[-2:]
    if mask.by == "side":
        rows, columns = (torch.linspace(-1, 1, side, device=picture.device) for side in (height, width))
        place = (math.cos(mask.angle) * rows[:, None] + math.sin(mask.angle) * columns)[None]
    elif mask.by == "field":
        place = smooth_field((1, height, width), mask.width, generator)
    else:
        place = picture.mean(0, keepdim=True)
    return mask.left + (1 - mask.left) * torch.sigmoid((place - mask.offset) * mask.steepness)
