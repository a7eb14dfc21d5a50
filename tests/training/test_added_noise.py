"""Kinds of noise beside a camera's: grain, noise in the dark, defects, masks, and patches of photos."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nsp_cli.ops.block_dct import to_luma_chroma
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.dark_noise import DarkNoise, dark_noise, draw_dark_noise
from nsp_cli.training.simulation.defects import (
    Banding,
    Blotches,
    Defects,
    HotPixels,
    draw_defects,
    with_defects,
)
from nsp_cli.training.simulation.flat_patches import PATCH_SIDE, find_flat_patches, residual_of
from nsp_cli.training.simulation.gaussian_noise import GaussianNoise, draw_gaussian_noise, gaussian_noise
from nsp_cli.training.simulation.grain import Grain, draw_grain, grain_noise
from nsp_cli.training.simulation.masks import NoiseMask, draw_mask, mask_of
from nsp_cli.training.simulation.smooth_field import smooth_field
from tests.scenes import white_noise

GREY = torch.full((3, 128, 128), 0.5)
NOISE = white_noise(GREY.shape, 5)
HALF = NoiseMask("side", angle=0.0, offset=0.0, steepness=1e4, width=10.0, left=0.0)


def random_numbers() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def neighbours(field: torch.Tensor) -> float:
    """Correlation of neighbouring pixels."""
    return float(torch.corrcoef(torch.stack([field[..., 1:].flatten(), field[..., :-1].flatten()]))[0, 1])


@pytest.mark.parametrize("draw", [draw_grain, draw_gaussian_noise, draw_dark_noise, draw_defects, draw_mask])
def test_draws_differ_and_depend_only_on_their_generator(draw):
    drawn = [draw(generator_for(number)) for number in range(60)]
    assert drawn[7] == draw(generator_for(7))
    assert len(set(drawn)) > 3


def test_a_smooth_field_is_smoother_the_wider_it_is():
    narrow, wide = (smooth_field((128, 128), width, random_numbers()) for width in (0.3, 3.0))
    assert float(wide.std()) == pytest.approx(1, rel=1e-3)
    assert neighbours(narrow) < 0.4
    assert neighbours(wide) > 0.95


def test_gaussian_noise_has_its_levels_and_width():
    white = gaussian_noise(GaussianNoise(0.0, 0.05, 0.0, by_brightness=False), GREY, random_numbers())
    assert white.std((1, 2)) == pytest.approx(torch.full((3,), 0.05), rel=0.02)
    assert abs(neighbours(white[0])) < 0.02
    assert abs(float(torch.corrcoef(white.flatten(1))[0, 1])) < 0.02
    shared = gaussian_noise(GaussianNoise(0.05, 0.0, 1.0, by_brightness=False), GREY, random_numbers())
    assert torch.equal(shared[0], shared[2])
    assert neighbours(shared[0]) > 0.7


def test_gaussian_noise_can_grow_with_brightness():
    noise = GaussianNoise(0.02, 0.02, 0.0, by_brightness=True)
    levels = [float(gaussian_noise(noise, GREY * factor, random_numbers()).std()) for factor in (0, 2)]
    assert levels[1] / levels[0] == pytest.approx(7**0.5, rel=0.01)


def test_grain_is_strongest_in_the_mid_tones_and_has_no_colour():
    grain = Grain(level=10 / 255, width=1.0, colour_level=0.0, colour_width=1.0)
    middle, black = (grain_noise(grain, GREY * factor, random_numbers()) for factor in (1, 0))
    assert float(middle.std()) == pytest.approx(10 / 255, rel=0.02)
    assert black.std() < 0.3 * middle.std()
    assert torch.equal(middle[0], middle[2])
    assert neighbours(middle[0]) > 0.5
    coloured = grain_noise(replace(grain, colour_level=5 / 255), GREY, random_numbers())
    assert to_luma_chroma(coloured)[1].std() > 3 / 255


@pytest.mark.parametrize("has_mosaic", [False, True])
def test_dark_noise_is_relative_to_the_pictures_mean(has_mosaic):
    noise = DarkNoise(shot=0.01, read=0.0, has_mosaic=has_mosaic)
    bright, dark = (dark_noise(noise, GREY * factor, random_numbers()) for factor in (1, 0.02))
    assert float(dark.std() / bright.std()) == pytest.approx(0.02, rel=0.01)
    assert (neighbours(dark[0]) > 0.2) == has_mosaic
    if not has_mosaic:
        assert float(bright.std()) == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize("is_upright", [False, True])
def test_banding_is_the_same_along_its_lines(is_upright):
    banding = Banding(level=0.5, thickness=1, is_coloured=False, is_upright=is_upright)
    bands = with_defects(NOISE, Defects(banding), random_numbers()) - NOISE
    across, along = (2, 1) if is_upright else (1, 2)
    assert float(bands.mean(along).std(1).mean()) == pytest.approx(0.5 * float(NOISE.std()), rel=0.02)
    assert bands.std(along).max() < 1e-6
    assert bands.std(across).min() > 1e-3


def test_blotches_are_coarse_and_have_colour_alone():
    blotched = with_defects(0 * NOISE, Defects(blotches=Blotches((0.02, 0.03), 4.0, 0.5)), random_numbers())
    luma, *chroma = to_luma_chroma(blotched)
    assert luma.abs().max() < 1e-6
    assert [float(plane.std()) for plane in chroma] == pytest.approx([0.02, 0.03], rel=0.01)
    assert neighbours(chroma[0]) > 0.9


def test_hot_pixels_are_few_and_demosaicing_spreads_them():
    single, spread = (
        with_defects(0 * NOISE, Defects(hot=HotPixels(0.002, is_demosaiced)), random_numbers())
        for is_demosaiced in (False, True)
    )
    count = int((single != 0).any(0).sum())
    assert 15 < count < 55
    assert single.max() > 0.5
    assert single.min() < -0.1
    assert 5 * count < int((spread != 0).any(0).sum()) <= 9 * count


def test_most_pictures_have_no_defects():
    drawn = [draw_defects(generator_for(number)) for number in range(300)]
    assert 0.6 < sum(one == Defects() for one in drawn) / 300 < 0.8


def test_a_half_plane_has_a_hard_border_and_may_leave_some_noise():
    mask = mask_of(HALF, GREY, random_numbers())
    assert mask[0, :60].max() < 1e-3
    assert mask[0, 68:].min() > 0.999
    left = mask_of(replace(HALF, left=0.2), GREY, random_numbers())
    assert float(left.min()) == pytest.approx(0.2)


def test_a_field_is_in_patches_and_brightness_decides_too():
    field = mask_of(replace(HALF, by="field", steepness=10.0), GREY, random_numbers())
    assert 0.2 < float((field > 0.5).float().mean()) < 0.8
    assert neighbours(field) > 0.9
    picture = torch.linspace(0, 1, 128).expand(3, 128, -1)
    shadows = mask_of(NoiseMask("brightness", 0.0, 0.3, -15.0, 10.0, 0.0), picture, random_numbers())
    assert shadows[..., 0].min() > 0.9
    assert shadows[..., -1].max() < 0.01


def test_masks_of_all_kinds_are_drawn_and_stay_between_0_and_1():
    picture = torch.rand(3, 64, 64, generator=random_numbers())
    drawn = [draw_mask(generator_for(number)) for number in range(60)]
    assert {mask.by for mask in drawn} == {"side", "field", "brightness"}
    for mask in drawn:
        place = mask_of(mask, picture, random_numbers())
        assert 0 <= place.min() <= place.max() <= 1


def test_flat_patches_are_found_where_the_scene_is_smooth():
    photo = 0.4 + 0.001 * torch.arange(512.0).expand(300, -1) + white_noise((300, 512), 3)
    photo[:, 256:] += 0.2 * torch.rand(300, 256, generator=random_numbers())
    found = find_flat_patches(photo)
    assert found
    assert all(left + PATCH_SIDE <= 256 for _, left in found)
    edges = photo.clone()
    edges[::40] += 0.3
    assert not [left for _, left in find_flat_patches(edges) if left < 256]


def test_a_photo_smaller_than_a_patch_has_none():
    assert find_flat_patches(torch.full((PATCH_SIDE - 1, 300), 0.5)) == []


def test_the_residual_of_a_flat_patch_is_its_noise_without_the_scene():
    place = torch.linspace(-1, 1, PATCH_SIDE)
    scene = 0.5 + 0.1 * place + 0.2 * place[:, None] ** 2 - 0.1 * place[:, None] * place**2
    noise = white_noise((PATCH_SIDE, PATCH_SIDE), 4)
    torch.testing.assert_close(residual_of(scene + noise), noise, rtol=0, atol=1 / 255)
    assert residual_of(scene).abs().max() < 1e-4
