"""Noise taken from flat places of photos is theirs: its level, its look, and its growth with brightness."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.training.distillation.own_noise import MeasuredSource, OwnNoise, find_own_noise
from nsp_cli.training.simulation.flat_patches import PATCH_SIDE
from tests.scenes import white_noise

SIDE = PATCH_SIDE


def banded(level: float, seed: int) -> Tensor:
    """White noise and as strong an offset of each row, (3, 128, 128)."""
    return white_noise((3, SIDE, SIDE), level, seed) + white_noise((1, SIDE, 1), level, 100 + seed)


def flat(brightness: float, level: float, seed: int) -> Tensor:
    return brightness + banded(level, seed)


def sampled(noise: OwnNoise, brightness: float, shape: tuple[int, int] = (200, 300)) -> Tensor:
    picture = torch.full((3, *shape), brightness)
    return noise.sample(picture, torch.Generator().manual_seed(0))


def found(patches: list[Tensor]) -> OwnNoise:
    noise = find_own_noise(torch.stack(patches))
    assert noise is not None
    return noise


def test_bands_stay_bands_of_the_same_strength():
    noise = sampled(found([flat(0.5, 6, seed) for seed in range(10)]), 0.5)
    assert noise.shape == (3, 200, 300)
    assert float(noise.std()) * 255 == pytest.approx(6 * 2**0.5, rel=0.1)
    within, across = noise[..., :SIDE, :SIDE].mean(2).std(), noise[..., :SIDE, :SIDE].mean(1).std()
    assert float(within) * 255 == pytest.approx(6, rel=0.25)
    assert float(across) * 255 < 1.5


def test_what_has_texture_is_no_noise():
    coarse = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    texture = functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")[0] * 0.3
    patches = [flat(0.5, 6, seed) for seed in range(10)]
    textured = [patch + texture - texture.mean() for patch in patches[:4]]
    assert len(found(patches + textured).patches) == 10


def test_noise_grows_with_brightness_as_in_the_photos():
    levels = torch.linspace(0.1, 0.9, 24)
    noise = found([flat(float(light), 2 + 10 * float(light), n) for n, light in enumerate(levels)])
    for brightness in (0.2, 0.5, 0.8):
        expected = (2 + 10 * brightness) * 2**0.5
        assert float(sampled(noise, brightness).std()) * 255 == pytest.approx(expected, rel=0.2)


def test_few_patches_are_no_evidence():
    assert find_own_noise(torch.stack([flat(0.5, 6, seed) for seed in range(3)])) is None
    assert find_own_noise(torch.empty(0, 3, SIDE, SIDE)) is None


def test_noise_follows_the_brightness_within_a_picture():
    levels = torch.linspace(0.1, 0.9, 24)
    noise = found([flat(float(light), 2 + 10 * float(light), n) for n, light in enumerate(levels)])
    picture = torch.full((3, SIDE, SIDE), 0.2)
    picture[..., SIDE // 2 :] = 0.8
    halves = noise.sample(picture, torch.Generator().manual_seed(0)).chunk(2, dim=2)
    dark, bright = (float(half.std()) for half in halves)
    assert bright / dark == pytest.approx(10 / 4, rel=0.25)


def test_photos_that_differ_in_noise_are_not_taken_for_texture():
    patches = [flat(0.5, level, seed) for seed in range(8) for level in (3, 15)]
    assert find_own_noise(torch.stack(patches)) is None


def test_a_seed_gives_the_same_noise_again():
    noise = found([flat(0.5, 6, seed) for seed in range(10)])
    assert torch.equal(sampled(noise, 0.5), sampled(noise, 0.5))


def test_measured_noise_is_as_strong_as_it_was_measured():
    from nsp_cli.noise.estimation import estimate_noise

    photo = 0.5 + white_noise((3, 256, 256), 8)
    noise = MeasuredSource((estimate_noise(photo),)).sample(photo, torch.Generator().manual_seed(0))
    assert float(noise.std()) * 255 == pytest.approx(8, rel=0.1)
