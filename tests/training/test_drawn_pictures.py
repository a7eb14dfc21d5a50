"""Drawings, prints, nights and heaps: what is special about each; the same from one generator."""

from __future__ import annotations

import math

import pytest
import torch

from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.drawing import draw_drawing
from nsp_cli.training.simulation.heap import draw_heap
from nsp_cli.training.simulation.lettering import draw_text
from nsp_cli.training.simulation.night import draw_night
from nsp_cli.training.simulation.printed import draw_print
from nsp_cli.training.simulation.smooth_field import smooth_field
from nsp_cli.training.simulation.strokes import ellipse, fill, stroke

SQUARE = torch.tensor([[8.0, 8.0], [8.0, 24.0], [24.0, 24.0], [24.0, 8.0]])


@pytest.mark.parametrize("draw", [draw_drawing, draw_print, draw_night, draw_heap])
def test_pictures_are_in_range_and_depend_only_on_their_generator(draw):
    drawn = [draw(64, generator_for(number)) for number in range(12)]
    assert torch.equal(drawn[3], draw(64, generator_for(3)))
    assert len({float(one.mean()) for one in drawn}) > 8
    for picture in drawn:
        assert picture.shape == (3, 64, 64)
        assert picture.min() >= 0
        assert picture.max() <= 1


def test_drawings_are_mostly_flat_with_hard_edges():
    drawn = torch.stack([draw_drawing(96, generator_for(number)) for number in range(20)])
    steps = drawn.diff(dim=-1).abs().amax(1)
    assert (steps < 0.02).float().mean() > 0.6
    assert (steps > 0.2).float().mean() > 0.02


def test_nights_are_dark_with_bright_spots():
    nights = [draw_night(128, generator_for(number)) for number in range(12)]
    assert max(float(night.median()) for night in nights) < 0.25
    assert max(float(night.max()) for night in nights) > 0.9


def quietest_part(picture: torch.Tensor) -> float:
    """Deviation in the quietest of the squares with a side of 16, relative to that in the median one."""
    levels = picture.mean(0).unfold(0, 16, 16).unfold(1, 16, 16).flatten(2).std(2)
    return float(levels.min() / levels.median().clamp(min=1e-6))


def test_heaps_have_texture_everywhere():
    quietest = {
        draw: torch.tensor([quietest_part(draw(128, generator_for(number))) for number in range(30)])
        for draw in (draw_heap, draw_drawing, draw_night)
    }
    assert quietest[draw_heap].median() > 0.4
    assert quietest[draw_heap].min() > 0.02
    assert max(float(quietest[draw].median()) for draw in (draw_drawing, draw_night)) < 0.2


def test_many_heaps_are_grey():
    drawn = [draw_heap(64, generator_for(number)) for number in range(60)]
    assert 0.25 < sum(bool((one[0] == one[2]).all()) for one in drawn) / 60 < 0.65


def test_heaps_are_even_between_edges_and_random_fields_are_not():
    """Half of the steps between neighbours, relative to all: a thing has one colour."""
    heaps = [evenness(draw_heap(128, generator_for(number))) for number in range(30)]
    field = smooth_field((3, 128, 128), 1.0, generator_for(0))
    assert sum(heaps) / 30 < 0.6 * evenness(field)


def evenness(picture: torch.Tensor) -> float:
    step = picture.mean(0).diff()
    return float(step.abs().median() / step.std())


def test_prints_have_less_contrast_than_drawings():
    numbers = range(20)
    ranges = {
        draw: [
            float(draw(96, generator_for(number)).mean(0).flatten().diff().abs().max()) for number in numbers
        ]
        for draw in (draw_print, draw_drawing)
    }
    assert sum(ranges[draw_print]) < 0.75 * sum(ranges[draw_drawing])


@pytest.mark.parametrize("is_soft", [False, True])
def test_a_filled_square_has_its_area(is_soft):
    covered = fill(SQUARE, (32, 32), is_soft=is_soft)
    assert float(covered.sum()) == pytest.approx(256, rel=0.03)
    assert covered[16, 16] == 1
    assert covered[4, 4] == 0


@pytest.mark.parametrize("is_soft", [False, True])
def test_a_stroke_has_its_width(is_soft):
    covered = stroke(torch.tensor([[0.0, 16.0], [32.0, 16.0]]), (32, 32), width=4, is_soft=is_soft)
    torch.testing.assert_close(covered[2:-2].sum(1), torch.full((28,), 4.0))


def test_soft_edges_are_covered_in_part():
    circle = ellipse(torch.tensor([16.0, 16.0]), torch.tensor([10.0, 10.0]))
    hard, soft = (fill(circle, (32, 32), is_soft=is_soft) for is_soft in (False, True))
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert ((soft > 0) & (soft < 1)).sum() > 20
    assert float(soft.sum()) == pytest.approx(100 * math.pi, rel=0.05)


def test_text_stands_in_lines_with_gaps_between_words():
    """Rows without ink separate the lines, and letters recur, as they do in a script."""
    pages = [draw_text(256, generator_for(number)) for number in range(10)]
    assert all(0.03 < float((page > 0.5).float().mean()) < 0.6 for page in pages)
    empty = [float((page.amax(1) == 0).float().mean()) for page in pages]
    assert min(empty) > 0.05
