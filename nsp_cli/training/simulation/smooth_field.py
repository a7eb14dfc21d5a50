"""Random fields that are smooth: the raw material of grain, blotches, clouds and patches of noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def smooth_field(shape: tuple[int, ...], width: float, generator: torch.Generator) -> Tensor:
    """White noise through a Gaussian.

    Args:
        shape: (…, H, W).
        width: Standard deviation of the Gaussian in pixels; the field wraps around at the edges.
        generator: Random generator, on the device of the result.

    Returns:
        `shape`, with standard deviation 1 over all its values.
    """
    device = generator.device
    spectrum = torch.fft.rfft2(torch.randn(*shape, generator=generator, device=device))
    rows = torch.fft.fftfreq(shape[-2], device=device)[:, None]
    columns = torch.fft.rfftfreq(shape[-1], device=device)
    spectrum = spectrum * torch.exp(-2 * math.pi**2 * width**2 * (rows**2 + columns**2))
    field: Tensor = torch.fft.irfft2(spectrum, s=shape[-2:])
    return field / field.std().clamp(min=1e-9)
