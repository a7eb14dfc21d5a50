"""Heaps: things that lie on each other, such as gravel, fallen leaves, blades of grass, straw and fur.

They are dead leaves models (Lee, Mumford and Huang, "Occlusion models for natural images", 2001): opaque
shapes of random size cover each other until little of the ground is left. So a heap has no flat place. Photos
for training show few such, and who has never seen one takes a lawn for noise. Texture of random fields would
not do: it is noise, and whoever learns to keep it learns to keep noise.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.blur import gaussian_blurred
from nsp_cli.training.simulation.smooth_field import smooth_field

# Heaps are drawn so many times as large and reduced, for soft edges.
_FINER = 2
# Radius of the smallest things in drawn pixels, how many times larger the largest are, and the exponents by
# which the number of things falls with their size.
_SMALLEST, _SIZES, _FALLS = (2.2, 8.0), (1.2, 10.0), (1.5, 3.2)
# Chance of things as long as wide; else how many times longer they are.
_ROUND, _LENGTHS = 0.4, (1.5, 14.0)
# Area of all things over that of the picture, and their largest number: the smallest leave gaps.
_COVER, _MOST = (2.0, 4.0), 4000
# How often distances from the axes are squared before they are added: diamonds, ellipses, boxes.
_NORMS = (0, 1, 2)
# Brightness, and its deviation from one thing to the next.
_LIGHTS, _CONTRASTS = (0.2, 0.75), (0.03, 0.3)
# Chance that a few things stand out, that all is grey, and that things have hues of their own.
_STANDING_OUT, _GREY, _OWN_HUES = 0.4, 0.45, 0.5
# Chance and widths of blur in pixels, and its reach.
_SOFT, _WIDTHS, _REACH = 0.35, (0.3, 1.0), 3


def draw_heap(side: int, generator: torch.Generator) -> Tensor:
    """Draws a heap.

    Args:
        side: S.
        generator: Random generator, on the CPU.

    Returns:
        (3, S, S) sRGB in [0, 1].
    """
    radii = _draw_radii(side, generator)
    colours = _draw_colours(len(radii), generator)
    drawn = _painted(side * _FINER, radii, colours, generator)
    picture = functional.avg_pool2d(torch.from_numpy(drawn).movedim(-1, 0), _FINER)
    if random_event(_SOFT, generator):
        [picture] = gaussian_blurred(picture[None], [random_log_uniform(*_WIDTHS, generator)], _REACH)
    slow = smooth_field((1, side, side), side * random_uniform(0.12, 0.31, generator), generator)
    light = 1 + random_uniform(0, 0.2, generator) * (slow - slow.mean()).clamp(-2, 2)
    return (picture * light).clamp(0, 1)


def _draw_radii(side: int, generator: torch.Generator) -> NDArray[np.float32]:
    """Sizes that fall with a power, enough of them to cover the picture."""
    least = random_log_uniform(*_SMALLEST, generator)
    power = 1 - random_uniform(*_FALLS, generator)
    most = (least * random_log_uniform(*_SIZES, generator)) ** power
    quantile = torch.rand(_MOST, generator=generator).numpy()
    radii = (least**power + quantile * (most - least**power)) ** (1 / power)
    wanted = random_uniform(*_COVER, generator) * (side * _FINER) ** 2
    count = 1 + int(np.searchsorted(np.cumsum(math.pi * radii**2), wanted))
    return np.asarray(radii[:count], np.float32)


def _draw_colours(count: int, generator: torch.Generator) -> NDArray[np.float32]:
    """Colours (count, 3) in [0, 1]."""
    light, contrast = random_uniform(*_LIGHTS, generator), random_log_uniform(*_CONTRASTS, generator)
    spread = torch.randn(count, 1, generator=generator)
    if random_event(_STANDING_OUT, generator):
        sign = 1 if random_event(0.5, generator) else -1
        spread = 1.5 * sign * torch.rand(count, 1, generator=generator).square()
    colours = (light + contrast * spread).expand(count, 3)
    if not random_event(_GREY, generator):
        if random_event(_OWN_HUES, generator):
            hues = contrast * random_uniform(0, 0.5, generator)
            colours = colours + hues * torch.randn(count, 3, generator=generator)
        colours = colours * (0.5 + 0.6 * torch.rand(3, generator=generator))
    return colours.clamp(0, 1).numpy()


def _painted(
    size: int, radii: NDArray[np.float32], colours: NDArray[np.float32], generator: torch.Generator
) -> NDArray[np.float32]:
    """Paints shapes over each other, (size, size, 3)."""
    count, norm = len(radii), _NORMS[random_below(len(_NORMS), generator)]
    longer = 1.0 if random_event(_ROUND, generator) else random_log_uniform(*_LENGTHS, generator) ** 0.5
    spread = math.pi * (1.0 if random_event(0.5, generator) else random_uniform(0.05, 0.8, generator))
    angles = spread * torch.rand(count, generator=generator) + random_uniform(0, math.pi, generator)
    axes = np.stack([radii * longer, radii / longer], axis=1)
    turns = torch.stack([angles.cos(), angles.sin()], dim=1).numpy()
    centres = size * torch.rand(count, 2, generator=generator).numpy()
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = colours.mean(0)
    for colour, centre, half, turn in zip(colours, centres, axes, turns, strict=True):
        _paint(picture, colour, centre, half, turn, norm)
    return picture


def _paint(
    picture: NDArray[np.float32],
    colour: NDArray[np.float32],
    centre: NDArray[np.float32],
    half: NDArray[np.float32],
    turn: NDArray[np.float32],
    norm: int,
) -> None:
    """Paints a shape with these half axes, turned by an angle with this cosine and sine."""
    reach = np.abs(turn[::-1]) * half[0] + np.abs(turn) * half[1]
    first, last = np.maximum(centre - reach, 0).astype(int), (centre + reach).astype(int) + 2
    part = picture[first[0] : last[0], first[1] : last[1]]
    down = np.arange(first[0], first[0] + part.shape[0], dtype=np.float32)[:, None] - centre[0]
    right = np.arange(first[1], first[1] + part.shape[1], dtype=np.float32) - centre[1]
    along = np.abs(turn[0] * right + turn[1] * down) / half[0]
    across = np.abs(turn[0] * down - turn[1] * right) / half[1]
    for _ in range(norm):
        along, across = along * along, across * across
    part[along + across < 1] = colour
