"""Drawn pictures: text, lines, shapes and codes, in flat colours with sharp edges."""

from __future__ import annotations

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_below, random_event, random_uniform
from nsp_cli.training.simulation.lettering import draw_text
from nsp_cli.training.simulation.strokes import ellipse, fill, stroke

# Cumulative chances of the colours: black on white, white on black, any two, and else dark on light.
_BLACK_ON_WHITE, _WHITE_ON_BLACK, _ANY = 0.35, 0.42, 0.8
# Cumulative chances of text and of shapes; the others are codes.
_TEXT, _SHAPES = 0.45, 0.75
# Chance that a drawing is turned by any quarter; most text is upright.
_TURNED = 0.4
# Line widths in pixels, the usual one three times.
_WIDTHS = (1.0, 1.0, 1.0, 2.0, 3.0, 6.0)
# The square in three corners of a QR code, in modules, with the empty border around it.
_FINDER = 9


def draw_drawing(side: int, generator: torch.Generator) -> Tensor:
    """Draws a page of text, a figure, or a code.

    Args:
        side: S.
        generator: Random generator, on the CPU.

    Returns:
        (3, S, S) sRGB in [0, 1].
    """
    ground, ink = _draw_colours(generator)
    picture = ground.expand(3, side, side)
    if random_event(0.15, generator):
        ramp = torch.linspace(random_uniform(0, 1, generator), random_uniform(0, 1, generator), side)
        picture = picture * ramp
    kind = random_uniform(0, 1, generator)
    if kind < _TEXT:
        picture = torch.lerp(picture, ink, draw_text(side, generator))
    elif kind < _SHAPES:
        picture = _with_shapes(picture, ink, generator)
    else:
        picture = torch.lerp(picture, ink, _code(side, generator))
    turns = random_below(4, generator) if random_event(_TURNED, generator) else 0
    return torch.rot90(picture, turns, (1, 2)).contiguous()


def _draw_colours(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Colours of the ground and of the ink, (3, 1, 1) each."""
    kind = random_uniform(0, 1, generator)
    ground, ink = (_draw_colour(generator) for _ in range(2))
    if kind < _BLACK_ON_WHITE:
        return torch.ones(3, 1, 1), torch.zeros(3, 1, 1)
    if kind < _WHITE_ON_BLACK:
        return torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    return (ground, ink) if kind < _ANY else (0.8 + 0.2 * ground, 0.35 * ink)


def _draw_colour(generator: torch.Generator) -> Tensor:
    return torch.rand(3, 1, 1, generator=generator)


def _with_shapes(picture: Tensor, ink: Tensor, generator: torch.Generator) -> Tensor:
    is_soft, side = random_event(0.5, generator), picture.shape[-1]
    for _ in range(2 + random_below(16, generator)):
        colour = ink if random_event(0.6, generator) else _draw_colour(generator)
        picture = torch.lerp(picture, colour, _shape(side, generator, is_soft=is_soft))
    if random_event(0.3, generator):
        picture = torch.lerp(picture, ink, _hatching(side, generator, is_soft=is_soft))
    return picture


def _shape(side: int, generator: torch.Generator, *, is_soft: bool) -> Tensor:
    """A line, rectangle, ellipse or polygon, drawn or filled, (S, S)."""
    kind, width = random_below(5, generator), _WIDTHS[random_below(len(_WIDTHS), generator)]
    ends = side * (1.5 * torch.rand(2, 2, generator=generator) - 0.25)
    if kind < 2:
        return stroke(ends, (side, side), width=width, is_soft=is_soft)
    if kind == 2:
        (top, left), (bottom, right) = ends.round().tolist()
        path = torch.tensor([[top, left], [top, right], [bottom, right], [bottom, left]])
    elif kind == 3:
        path = ellipse(ends.mean(0), ends.diff(dim=0)[0].abs() / 2)
    else:
        path = side * torch.rand(3 + random_below(4, generator), 2, generator=generator)
    if random_event(0.4, generator):
        return fill(path, (side, side), is_soft=is_soft)
    return stroke(torch.cat([path, path[:1]]), (side, side), width=width, is_soft=is_soft)


def _hatching(side: int, generator: torch.Generator, *, is_soft: bool) -> Tensor:
    """Parallel lines, or squared paper, (S, S); soft lines may be turned by a little."""
    pitch = random_uniform(3, 20, generator) if is_soft else float(3 + random_below(17, generator))
    lean = random_uniform(-0.3, 0.3, generator) if is_soft else 0.0
    place = torch.arange(side) + 0.5
    across = place + lean * place[:, None]
    lines = (1 - (across % pitch - 0.5).abs()).clamp(0, 1) if is_soft else (across % pitch < 1).float()
    return torch.maximum(lines, lines.T) if random_event(0.9, generator) else lines


def _code(side: int, generator: torch.Generator) -> Tensor:
    """A QR-like code or a bar code, (S, S), 0 or 1."""
    module = 1 + random_below(8, generator)
    count = side // module + 1
    modules = (torch.rand(count, count, generator=generator) < random_uniform(0.2, 0.6, generator)).float()
    if random_event(0.2, generator):
        modules[:] = modules[:1].clone()
    elif count > 2 * _FINDER + 2 and random_event(0.8, generator):
        last = count - _FINDER - 1
        for top, left in ((1, 1), (1, last), (last, 1)):
            modules[top : top + _FINDER, left : left + _FINDER] = _finder()
    return modules.repeat_interleave(module, 0).repeat_interleave(module, 1)[:side, :side]


def _finder() -> Tensor:
    """Rings of a QR code's corner: empty, dark, empty, and dark from there on."""
    place = (torch.arange(_FINDER) - _FINDER // 2).abs()
    ring = torch.maximum(place[:, None], place)
    return ((ring == 3) | (ring < 2)).float()
