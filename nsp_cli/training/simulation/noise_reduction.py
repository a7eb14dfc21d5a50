"""A camera's noise reduction, which sees noise where the scene varies less than the noise.

So it leaves more of the noise on texture. In real pairs of a noisy and a clean photo, the noise on texture is
2 to 2.5 times as strong as in flat places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.training.seeded_random import random_uniform
from nsp_cli.training.simulation.blur import gaussian_blurred

# Standard deviation in pixels of the surroundings in which the scene varies.
_SURROUNDINGS = 1.5
# Radius of a blur's kernel in standard deviations.
_REACH = 2.5
# Variation of the scene below which rounding hides it.
_LEAST = 1e-3


@dataclass(frozen=True)
class NoiseReduction:
    """Smoothing of noise.

    Attributes:
        threshold: Variation of the scene, over the noise level, at which half of the strength is left.
        strength: Share of the noise in flat places that is replaced by the smoothed noise, 0 to 1.
        width: Standard deviation of the smoothing Gaussian in pixels.
    """

    threshold: float
    strength: float
    width: float


def draw_noise_reduction(generator: torch.Generator) -> NoiseReduction:
    """Draws a noise reduction from a weak one to that of a small sensor."""
    ranges = ((0.4, 2.0), (0.4, 1.0), (0.7, 2.2))
    threshold, strength, width = (random_uniform(*ends, generator) for ends in ranges)
    return NoiseReduction(threshold, strength, width)


def reduced_noise(noise: Tensor, still: Tensor, reduction: NoiseReduction) -> Tensor:
    """Noise that a noise reduction leaves.

    Args:
        noise: (3, H, W), with white at 1.
        still: The picture without it, (3, H, W) in [0, 1].
        reduction: Threshold, strength and width.

    Returns:
        (3, H, W).
    """
    level = (reduction.threshold * noise.mean(0).std()).clamp(min=_LEAST)
    share = reduction.strength / (1 + (_variation(still) / level).square())
    left: Tensor = torch.lerp(noise, _blurred(noise, reduction.width), share)
    return left


def _variation(still: Tensor) -> Tensor:
    """Standard deviation of the brightness about each pixel, (H, W)."""
    grey = still.mean(0)
    mean, square = _blurred(torch.stack([grey, grey**2]), _SURROUNDINGS)
    variance: Tensor = square - mean**2
    return variance.clamp(min=0).sqrt()


def _blurred(planes: Tensor, width: float) -> Tensor:
    return gaussian_blurred(planes[None], [width], math.floor(_REACH * width + 0.5))[0]
