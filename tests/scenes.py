"""A made-up scene with noise of known parameters, for tests of what is measured and removed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def scene(height: int = 384, width: int = 384) -> Tensor:
    """Returns (3, H, W) float in [0, 1]: a gradient, hard edges, and fine texture on a third of it."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    plane = 0.35 + 0.2 * columns / width
    plane = plane + 0.15 * ((rows // 96 + columns // 96) % 2)
    generator = torch.Generator().manual_seed(1)
    texture = 0.12 * torch.randn(height, width, generator=generator)
    plane = plane + texture * (rows > 2 * height // 3)
    return (plane[None] * torch.tensor([0.9, 1.0, 0.8]).view(3, 1, 1)).clamp(0.06, 0.94)


def fractal(side: int = 384, fall: float = 1.6) -> Tensor:
    """Returns (3, S, S) grey in [0, 1], nowhere flat; amplitudes fall with that power of frequency."""
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    frequency = (rows**2 + columns**2).sqrt().clamp(min=1 / side)
    white = torch.randn(1, side, side, generator=torch.Generator().manual_seed(3))
    plane = torch.fft.irfft2(torch.fft.rfft2(white) * frequency**-fall, s=(side, side))
    return (0.5 + 0.15 * plane / plane.std()).clamp(0.05, 0.95).expand(3, -1, -1)


def white_noise(shape: torch.Size, level: float, seed: int = 0) -> Tensor:
    """Returns noise that is independent in pixels and channels; level in 8-bit steps."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * level / 255


def correlated_noise(shape: torch.Size, level: float, width: float, seed: int = 0) -> Tensor:
    """Returns noise blurred by a Gaussian of that width in pixels, of that level after the blur."""
    reach = math.ceil(4 * width)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * width**2))
    noise = white_noise(shape, 255, seed)[:, None]
    padded = functional.pad(noise, (reach,) * 4, mode="circular")
    blurred = functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return blurred[:, 0] / blurred.std() * level / 255


def to_8_bits(image: Tensor) -> Tensor:
    """Rounds and clips to uint8."""
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
