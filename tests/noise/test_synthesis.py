"""Sampled noise is like the noise that was measured."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.noise.synthesis import sample_noise
from tests.scenes import correlated_noise, scene, white_noise


def drawn(noise: torch.Tensor, seed: int = 0, picture: torch.Tensor | None = None) -> torch.Tensor:
    profile = estimate_noise(scene() + noise)
    return sample_noise(profile, scene() if picture is None else picture, torch.Generator().manual_seed(seed))


def neighbours(noise: torch.Tensor) -> float:
    """Returns the correlation of horizontal neighbours."""
    return float((noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean())


@pytest.mark.parametrize("level", [4, 16])
def test_level_is_the_measured_one(level):
    noise = white_noise(scene().shape, level)
    assert float(drawn(noise).std()) == pytest.approx(float(noise.std()), rel=0.15)


@pytest.mark.parametrize("width", [0.6, 1.0])
def test_correlation_is_the_measured_one(width):
    noise = correlated_noise(scene().shape, 10, width)
    assert neighbours(drawn(noise)) == pytest.approx(neighbours(noise), abs=0.08)


def test_white_noise_is_sampled_white():
    assert neighbours(drawn(white_noise(scene().shape, 10))) == pytest.approx(0, abs=0.06)


def test_bright_places_get_what_bright_places_had():
    steeper = white_noise(scene().shape, 20) * scene()
    halves = torch.full((3, 64, 128), 0.35)
    halves[..., 64:] = 0.7
    noise = drawn(steeper, picture=halves)
    assert noise[..., 64:].std() > 1.3 * noise[..., :64].std()


def test_seeds_decide():
    noise = white_noise(scene().shape, 10)
    assert torch.equal(drawn(noise, seed=1), drawn(noise, seed=1))
    assert not torch.equal(drawn(noise, seed=1), drawn(noise, seed=2))
