"""Lines of text in alphabets of their own.

A denoiser must keep the shapes of letters and cannot read them. So letters are invented: stems, bars, bows
and slants on a common height, as in any script. Fonts would need a library, and would differ between
machines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.strokes import ellipse, stroke

# Letters in an alphabet, and the mean share of gaps between words.
_LETTERS, _GAPS = 12, 0.17
# Places of stems and bars in a letter, as shares of its width and height.
_LATTICE = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Script:
    """The type in which a text is set. Sizes are in pixels.

    Attributes:
        height, width: Size of a letter.
        weight: Width of its lines.
        slant: Shift of the top to the right, per height.
        leading: Distance of the lines of text.
        is_soft: Whether pixels are covered in part.
    """

    height: float
    width: float
    weight: float
    slant: float
    leading: float
    is_soft: bool


def draw_text(side: int, generator: torch.Generator) -> Tensor:
    """Draws a page of text, 6 to 34 pixels high, (S, S): the covered share of each pixel."""
    script = _draw_script(generator)
    letters = [_letter(script, generator) for _ in range(_LETTERS)]
    page = torch.zeros(side, side)
    top, indent = random_uniform(-script.height, script.height, generator), random_uniform(0, 8, generator)
    while top < side:
        _add_line(page, letters, script, (round(top), round(indent)), generator)
        top += script.leading
    return page


def _draw_script(generator: torch.Generator) -> Script:
    height = random_log_uniform(6, 34, generator)
    return Script(
        height,
        height * random_uniform(0.5, 0.85, generator),
        max(0.9, height * random_uniform(0.07, 0.22, generator)),
        random_uniform(0, 0.3, generator) if random_event(0.3, generator) else 0.0,
        height * random_uniform(1.5, 2.5, generator),
        random_event(0.7, generator),
    )


def _letter(script: Script, generator: torch.Generator) -> Tensor:
    """A letter, with room for its lines and its slant on both sides."""
    room = math.ceil(script.weight / 2 + 1)
    lean = script.slant * script.height
    size = (math.ceil(script.height) + 2 * room, math.ceil(script.width + lean) + 2 * room)
    covered = torch.zeros(size)
    for _ in range(2 + random_below(3, generator)):
        path = _part(generator) * torch.tensor([script.height, script.width])
        path[:, 1] += script.slant * (script.height - path[:, 0])
        line = stroke(path + room, size, width=script.weight, is_soft=script.is_soft)
        covered = torch.maximum(covered, line)
    return covered


def _part(generator: torch.Generator) -> Tensor:
    """A stem, bar, slant or bow in the unit square, (N, 2) rows and columns."""
    kind, at = random_below(5, generator), _LATTICE[random_below(3, generator)]
    if kind < 2:
        top = -0.3 if random_event(0.2, generator) else 0.0
        return torch.tensor([[top, at], [1.0, at]])
    if kind == 2:
        return torch.tensor([[at, 0.0], [at, 1.0]])
    if kind == 3:
        return torch.tensor([[0.0, at], [1.0, 1 - at]])
    centre, radii = torch.tensor([0.5 + at / 4, 0.5]), torch.tensor([0.5 - at / 4, 0.5])
    begin = random_uniform(0, 2 * math.pi, generator)
    return ellipse(centre, radii, begin=begin, end=begin + random_uniform(3, 2 * math.pi, generator))


def _add_line(
    page: Tensor, letters: list[Tensor], script: Script, corner: tuple[int, int], generator: torch.Generator
) -> None:
    top, column = corner
    spacing = round(script.width + script.weight * 2)
    while column < page.shape[1]:
        if not random_event(_GAPS, generator):
            letter = letters[random_below(len(letters), generator)]
            place = page[max(0, top) : max(0, top + len(letter)), column : column + letter.shape[1]]
            part = letter[max(0, -top) :][: place.shape[0], : place.shape[1]]
            torch.maximum(place, part, out=place)
        column += spacing
