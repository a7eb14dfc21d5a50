"""Prints: drawings as a camera sees them, with less contrast, uneven light and soft edges."""

from __future__ import annotations

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.blur import gaussian_blurred
from nsp_cli.training.simulation.drawing import draw_drawing
from nsp_cli.training.simulation.smooth_field import smooth_field

# Brightness of the darkest ink and of the lightest paper.
_INKS, _PAPERS = (0.0, 0.3), (0.6, 1.0)
# Most that the light changes over the page, and the width of its changes in sides.
_UNEVEN, _SLOW = 0.4, (0.12, 0.31)
# Chance and widths of blur in pixels, and its reach; chance of a print in black and white.
_SOFT, _WIDTHS, _REACH = 0.7, (0.3, 1.3), 4
_GREY = 0.4


def draw_print(side: int, generator: torch.Generator) -> Tensor:
    """Draws a print.

    Args:
        side: S.
        generator: Random generator, on the CPU.

    Returns:
        (3, S, S) sRGB in [0, 1].
    """
    ink, paper = (random_uniform(*ends, generator) for ends in (_INKS, _PAPERS))
    picture = ink + (paper - ink) * draw_drawing(side, generator)
    slow = smooth_field((1, side, side), side * random_uniform(*_SLOW, generator), generator)
    picture = picture * (1 + random_uniform(0, _UNEVEN / 2, generator) * (slow - slow.mean()).clamp(-2, 2))
    if random_event(_SOFT, generator):
        [picture] = gaussian_blurred(picture[None], [random_log_uniform(*_WIDTHS, generator)], _REACH)
    if random_event(_GREY, generator):
        picture = picture.mean(0, keepdim=True).expand(3, -1, -1)
    return picture.clamp(0, 1).contiguous()
