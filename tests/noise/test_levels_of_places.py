"""The noise map: levels of places and of the whole, and when a photo counts as clean."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.noise.noise_map import NoiseMap


def even(luma: float, chroma: float, shape: tuple[int, int] = (10, 20)) -> NoiseMap:
    """White noise of these levels, in steps of 255, everywhere."""
    return NoiseMap(torch.tensor([luma] * 3 + [chroma] * 3)[:, None, None].expand(6, *shape) / 255)


def test_levels_are_those_of_white_noise_but_for_the_mean_of_a_block():
    noise = even(8, 4)
    without_mean = (63 / 64) ** 0.5
    assert (noise.luma * 255, noise.chroma * 255) == pytest.approx((8 * without_mean, 4 * without_mean))
    assert noise.local_luma.shape == noise.local_chroma.shape == (10, 20)
    doubled = noise.times(2, 0.5)
    assert (doubled.luma, doubled.chroma) == pytest.approx((2 * noise.luma, 0.5 * noise.chroma))


def test_the_range_leaves_out_a_tenth_at_either_end():
    steps = torch.arange(101.0).expand(6, 1, -1) / 255
    low, high = (255 * level / (63 / 64) ** 0.5 for level in NoiseMap(steps).luma_range())
    assert (low, high) == pytest.approx((10, 90))
    low, high = even(5, 5, (1, 1)).luma_range()
    assert low == high > 0


def test_a_gigapixel_has_a_range():
    assert even(5, 5, (2**12, 2**12 + 1)).luma_range()[0] > 0


@pytest.mark.parametrize(
    ("luma", "chroma", "clean"), [(0, 0, True), (1, 0, False), (0, 2, True), (0, 4, False)]
)
def test_noise_that_one_sees_is_not_clean(luma, chroma, clean):
    assert even(luma, chroma).is_clean is clean


def test_coarse_luma_and_a_few_places_do_not_count():
    coarse = even(0, 0).bands.clone()
    coarse[0] = 20 / 255
    assert NoiseMap(coarse).is_clean
    places = even(0, 0).bands.clone()
    places[:, 0, 0] = 20 / 255
    assert CONSTANTS.visible_share > 1 / 200
    assert NoiseMap(places).is_clean
    places[:, 0, :3] = 20 / 255
    assert not NoiseMap(places).is_clean
