"""A simulated sensor: adds the noise of a higher ISO to a real photo.

Shot and read noise are white only on the sensor. Demosaicing spreads them over neighbouring pixels, and the
tone curve makes them depend on brightness. Both are simulated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.ops.transfer import linear_to_srgb, srgb_to_linear
from nsp_cli.training.seeded_random import random_log_uniform, random_uniform, white_noise


@dataclass(frozen=True)
class SensorNoise:
    """Noise of one exposure, in linear light with white at 1.

    Attributes:
        shot: Variance per unit of signal.
        read: Variance at black.
        gains: Red and blue white-balance gains, applied after the noise.
    """

    shot: float
    read: float
    gains: tuple[float, float]


def draw_sensor_noise(generator: torch.Generator) -> SensorNoise:
    """Draws the noise of a random camera and ISO.

    Read noise follows shot noise as measured over real cameras (Brooks et al., "Unprocessing Images
    for Learned Raw Denoising", CVPR 2019, Sec. 3.1); the shot range is wider here, ISO 200 to 25,600.
    """
    shot = random_log_uniform(1e-4, 0.03, generator)
    spread = float(torch.randn((), generator=generator))
    read = math.exp(2.18 * math.log(shot) + 1.20 + 0.26 * spread)
    return SensorNoise(shot, read, (random_uniform(1.5, 2.4, generator), random_uniform(1.4, 2.0, generator)))


def add_sensor_noise(
    pictures: Tensor, noises: Sequence[SensorNoise], generators: Sequence[torch.Generator]
) -> Tensor:
    """Adds the noise of a higher ISO to pictures.

    Bilinear demosaicing is linear, so only the noise is demosaiced and then added. The pictures keep their
    sharpness.

    Args:
        pictures: (B, 3, H, W) sRGB in [0, 1].
        noises: Noise of each picture.
        generators: Random generator of each picture, on the pictures' device.

    Returns:
        (B, 3, H, W) sRGB in [0, 1], rounded to 8 bits.
    """
    device, (height, width) = pictures.device, pictures.shape[-2:]
    values = [(noise.shot, noise.read, noise.gains[0], 1.0, noise.gains[1]) for noise in noises]
    columns = to_device(torch.tensor(values), device)[..., None, None]
    shot, read, gains = columns[:, :1], columns[:, 1:2], columns[:, 2:]
    sensor = srgb_to_linear(pictures) / gains
    noise = (shot * sensor + read).sqrt() * white_noise(pictures.shape[1:], generators)
    mosaic = noise * bayer_masks(height, width, [(0, 0)], device)
    noisy = linear_to_srgb(((sensor + demosaic_bilinear(mosaic)) * gains).clamp(0, 1))
    return (noisy * 255).round() / 255
