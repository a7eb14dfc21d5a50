"""Known noise in bands: right for noise of known kinds, as a whole and place by place."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.noise.conditioning import bands_of_residual, map_of_residual
from nsp_cli.noise.estimation import estimate_noise, noise_bands
from tests.scenes import correlated_noise, scene, white_noise


def test_white_noise_is_alike_in_all_bands():
    bands = bands_of_residual(white_noise(torch.Size((3, 256, 256)), 10))
    torch.testing.assert_close(bands * 255, torch.full((6,), 10.0), rtol=0.1, atol=0)


def test_a_map_has_the_level_of_each_place():
    noise = white_noise(torch.Size((1, 3, 128, 256)), 4)
    noise[..., 128:] *= 3
    levels = map_of_residual(noise) * 255
    assert levels.shape == (1, 6, 16, 32)
    torch.testing.assert_close(levels[..., :13].mean((0, 2, 3)), torch.full((6,), 4.0), rtol=0.1, atol=0)
    torch.testing.assert_close(levels[..., 19:].mean((0, 2, 3)), torch.full((6,), 12.0), rtol=0.1, atol=0)


def test_a_map_ends_two_blocks_past_the_noise_and_is_as_strong_at_the_edge():
    noise = white_noise(torch.Size((1, 3, 128, 128)), 10)
    noise[..., 64:] = 0
    levels = map_of_residual(noise)
    assert levels[..., 10:].max() == 0
    assert levels[..., 9].min() > 0
    assert float(levels[:, :, 0, 0].mean()) == pytest.approx(10 / 255, rel=0.25)


def test_a_map_of_even_noise_is_its_bands_on_average():
    noise = correlated_noise(torch.Size((3, 256, 256)), 10, 0.8)
    power = map_of_residual(noise[None])[0].square().mean((1, 2))
    torch.testing.assert_close(power.sqrt(), bands_of_residual(noise), rtol=0.03, atol=0)


def test_correlated_noise_is_coarse():
    bands = bands_of_residual(correlated_noise(torch.Size((3, 256, 256)), 10, 1.2))
    assert bands[0] > 2 * bands[1] > 4 * bands[2]


@pytest.mark.parametrize("level", [4, 20])
def test_what_is_measured_is_what_is_known(level):
    noise = white_noise(scene().shape, level)
    measured, known = noise_bands(estimate_noise(scene() + noise).spectrum), bands_of_residual(noise)
    # Coarse luma is left out: the scene's gradient has some.
    torch.testing.assert_close(measured[1:], known[1:], rtol=0.2, atol=0)
