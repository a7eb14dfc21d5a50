"""Gaussian noise: white or blurred, of all strengths, as scanners and programs make it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.smooth_field import smooth_field

# Levels of the noise that the channels share and of that which each has for itself, in steps of 255.
_SHARED, _OWN = (0.6, 32.0), (0.4, 22.0)
# Chance that one of the two is nearly missing, and its share of the other then.
_ONE_KIND, _REST = 0.25, 0.05
# Chances of white noise and of a little blur; the others are blurred more. Widths in pixels.
_WHITE, _LITTLE, _LITTLE_WIDTHS, _WIDTHS = 0.5, 0.75, (0.3, 0.9), (0.7, 1.8)
# Chance that the noise grows with the root of brightness, as photons' does.
_BY_BRIGHTNESS = 0.6


@dataclass(frozen=True)
class GaussianNoise:
    """Noise of normal distribution. Levels have white at 1.

    Attributes:
        shared, own: Level of the noise that the channels share, and of each channel's own.
        width: Standard deviation of the Gaussian that blurs it, in pixels; 0 for white noise.
        by_brightness: Whether it grows with the root of brightness; the levels hold for middle grey then.
    """

    shared: float
    own: float
    width: float
    by_brightness: bool


def draw_gaussian_noise(generator: torch.Generator) -> GaussianNoise:
    """Draws noise from faint to very strong."""
    shared, own = (random_log_uniform(*ends, generator) / 255 for ends in (_SHARED, _OWN))
    if random_event(_ONE_KIND, generator):
        is_shared = bool(random_below(2, generator))
        shared, own = (shared, _REST * shared) if is_shared else (_REST * own, own)
    kind, width = random_uniform(0, 1, generator), 0.0
    if kind > _WHITE:
        width = random_uniform(*(_LITTLE_WIDTHS if kind < _LITTLE else _WIDTHS), generator)
    return GaussianNoise(shared, own, width, random_event(_BY_BRIGHTNESS, generator))


def gaussian_noise(noise: GaussianNoise, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Noise for a picture (3, H, W) in [0, 1], (3, H, W); the generator is on the picture's device."""
    shape = (picture.shape[-2], picture.shape[-1])
    shared, own = (smooth_field((planes, *shape), noise.width, generator) for planes in (1, 3))
    added = noise.shared * shared + noise.own * own
    return added * (0.25 + 1.5 * picture).sqrt() if noise.by_brightness else added
