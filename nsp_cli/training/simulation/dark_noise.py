"""Noise of dark pictures in linear light, such as a developed RAW file before its tone curve."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform


@dataclass(frozen=True)
class DarkNoise:
    """Noise relative to the picture's mean, because such pictures have any exposure.

    Attributes:
        shot: Variance of the shot noise at the mean, relative to the mean's square.
        read: Variance of the read noise relative to that.
        has_mosaic: Whether the noise is demosaiced.
    """

    shot: float
    read: float
    has_mosaic: bool


def draw_dark_noise(generator: torch.Generator) -> DarkNoise:
    """Draws noise of 1 to 35 % of the picture's mean."""
    level = random_log_uniform(0.02, 0.35, generator)
    return DarkNoise(
        level**2 * random_uniform(0.3, 1, generator),
        random_uniform(0, 1, generator),
        random_event(0.5, generator),
    )


def dark_noise(noise: DarkNoise, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Noise for a linear picture (3, H, W) in [0, 1], (3, H, W); the generator is on its device."""
    mean = picture.mean().clamp(min=1e-4)
    deviation = (noise.shot * mean * (picture + noise.read * mean)).sqrt()
    white = deviation * torch.randn(picture.shape, generator=generator, device=picture.device)
    if not noise.has_mosaic:
        return white
    height, width = picture.shape[-2:]
    return demosaic_bilinear((white * bayer_masks(height, width, [(0, 0)], picture.device))[0])
