"""Noise conditioning: six numbers that are right for noise of known kinds, and never absurd."""

from __future__ import annotations

import math

import pytest
import torch

from nsp_cli.noise.conditioning import bands_of_residual, noise_conditioning
from nsp_cli.noise.estimation import estimate_noise, noise_bands
from tests.scenes import correlated_noise, fractal, scene, to_8_bits, white_noise


def test_white_noise_is_alike_in_all_bands():
    bands = bands_of_residual(white_noise(torch.Size((3, 256, 256)), 10))
    torch.testing.assert_close(bands * 255, torch.full((6,), 10.0), rtol=0.1, atol=0)


def test_correlated_noise_is_coarse():
    bands = bands_of_residual(correlated_noise(torch.Size((3, 256, 256)), 10, 1.2))
    assert bands[0] > 2 * bands[1] > 4 * bands[2]


@pytest.mark.parametrize("level", [4, 20])
def test_what_is_measured_is_what_is_known(level):
    noise = white_noise(scene().shape, level)
    measured, known = noise_bands(estimate_noise(scene() + noise).spectrum), bands_of_residual(noise)
    # Coarse luma is left out: the scene's gradient has some.
    torch.testing.assert_close(measured[1:], known[1:], rtol=0.2, atol=0)


def test_strength_above_one_tells_more_of_its_own_kind_and_below_changes_nothing():
    profile = estimate_noise(scene() + white_noise(scene().shape, 10))
    once = noise_conditioning(profile)
    assert torch.equal(noise_conditioning(profile, luma=0.3, chroma=0.0), once)
    twice = noise_conditioning(profile, luma=2.0)
    torch.testing.assert_close(twice[:3], 2 * once[:3])
    assert torch.equal(twice[3:], once[3:])


def test_a_lawn_is_not_noise():
    """Texture without colour has no coloured noise to match."""
    grey = (0.1 * torch.randn(1, 256, 256, generator=torch.Generator().manual_seed(0)) + 0.5).expand(
        3, -1, -1
    )
    lawn = grey + white_noise(grey.shape, 2)
    assert noise_conditioning(estimate_noise(lawn))[1] < 0.5 * noise_bands(estimate_noise(lawn).spectrum)[1]


def colourless(width: float) -> tuple[torch.Tensor, float]:
    """A grey photo: middle luma of 8 levels, hardly any chroma. The second result is the noise level."""
    one = correlated_noise(torch.Size((1, 384, 384)), 1, width)
    luma = (one / bands_of_residual(one.expand(3, -1, -1))[1] * 8 / 255).expand(3, -1, -1)
    photo = 0.5 + luma + white_noise(luma.shape, 0.6)
    return photo, float(noise_conditioning(estimate_noise(photo))[1]) * 255


def test_luma_noise_whose_colour_a_camera_took_out_is_believed():
    photo, level = colourless(0.5)
    assert level > 7.5
    assert estimate_noise(photo).most_luma > 4.5 / 255


def test_texture_without_colour_is_not_for_it_rises_towards_coarse_frequencies():
    photo, level = colourless(1.2)
    assert level < 5.5
    assert estimate_noise(photo).most_luma < 3.5 / 255


def test_without_a_flat_region_only_half_of_what_is_measured_counts():
    cloud = fractal()
    profile = estimate_noise(cloud + correlated_noise(cloud.shape, 2, 0.5))
    flat = estimate_noise(0.5 + correlated_noise(cloud.shape, 2, 0.5))
    assert flat.slope < 2
    assert profile.slope > 3.5
    # Chroma is the noise's alone in both, but who knows.
    assert noise_conditioning(profile)[4] < 0.7 * noise_conditioning(flat)[4]


def wires(turn: float) -> torch.Tensor:
    """A grey photo that a net of thin wires, six pixels apart, covers; `turn` is in radians."""
    row, column = torch.meshgrid(torch.arange(384.0), torch.arange(384.0), indexing="ij")
    across = row * math.cos(turn) + column * math.sin(turn)
    along = column * math.cos(turn) - row * math.sin(turn)
    net = sum((place * 2 * math.pi / 6.1).cos().clamp(min=0.5) for place in (across, along))
    return (0.4 + 0.1 * net).expand(3, -1, -1) + correlated_noise(torch.Size((3, 384, 384)), 2, 0.5)


def test_a_net_of_wires_is_not_noise():
    bands = noise_conditioning(estimate_noise(wires(0.1)))
    assert estimate_noise(wires(0.1)).anisotropy > 2
    assert bands[1] < 0.5 * noise_conditioning(estimate_noise(wires(math.pi / 4)))[1]


@pytest.mark.parametrize("width", [0.5, 1.2])
def test_noise_has_no_direction_and_counts_in_full(width):
    photo = scene() + correlated_noise(scene().shape, 6, width)
    assert estimate_noise(photo).anisotropy < 1.5
    assert noise_conditioning(estimate_noise(photo))[1] > 0.9 * noise_bands(estimate_noise(photo).spectrum)[1]


@pytest.mark.parametrize("level", [5, 10])
@pytest.mark.parametrize("is_upright", [False, True])
def test_banding_is_no_reason_to_doubt_the_noise(level, is_upright):
    bands = white_noise(torch.Size((1, scene().shape[1], 1)), level, seed=5)
    photo = scene() + white_noise(scene().shape, 10) + bands
    profile = estimate_noise(photo.transpose(1, 2) if is_upright else photo)
    assert profile.anisotropy < 1.3
    assert noise_conditioning(profile)[1] * 255 > 9.5


def test_waves_of_water_are_not_noise():
    # Along the rows alone, as banding is, but none runs from edge to edge.
    swell = 300 * correlated_noise(torch.Size((1, 384, 384)), 2, 12)
    waves = (torch.arange(384.0)[:, None] * 2 * math.pi / 5.3 + swell).sin()
    water = (0.4 + 0.02 * waves).expand(3, -1, -1) + correlated_noise(torch.Size((3, 384, 384)), 2, 0.5)
    assert estimate_noise(water).anisotropy > 2.4


@pytest.mark.parametrize(
    "photo", [torch.zeros(3, 8, 8), torch.full((3, 64, 64), 0.5), scene()[:1].expand(3, -1, -1)]
)
def test_black_grey_and_colourless_photos_give_finite_numbers(photo):
    assert noise_conditioning(estimate_noise(to_8_bits(photo)), luma=2.0, chroma=2.0).isfinite().all()
