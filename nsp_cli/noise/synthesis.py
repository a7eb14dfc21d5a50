"""Noise synthesis: new noise with the statistics that were estimated on a photo."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.estimation import BLOCK_SIDE, NoiseProfile
from nsp_cli.ops.block_dct import from_luma_chroma


def sample_noise(profile: NoiseProfile, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Samples noise with an estimated spectrum and its levels by brightness.

    Args:
        profile: The estimated noise.
        picture: (3, H, W) in [0, 1], at least 16×16, to which the noise will be added; gives the brightness.
        generator: Source of randomness, on the picture's device.

    Returns:
        (3, H, W) noise. Luma and the two chroma planes are independent of each other.
    """
    white = torch.randn(picture.shape, generator=generator, device=picture.device)
    shape = (picture.shape[1], picture.shape[2])
    response = to_device(_response(profile, shape), picture.device)
    planes = torch.fft.irfft2(torch.fft.rfft2(white) * response, s=shape)
    return from_luma_chroma(planes) * relative_level(profile, picture.mean(0))


# A training run samples noise for the same photos over and over.
@lru_cache(maxsize=128)
def _response(profile: NoiseProfile, shape: tuple[int, int]) -> Tensor:
    """Factors for each frequency of white noise, (3, H, W // 2 + 1)."""
    return torch.stack([_power_spectrum(profile, plane, shape) for plane in range(3)]).sqrt()


def _power_spectrum(profile: NoiseProfile, plane: int, shape: tuple[int, int]) -> Tensor:
    """Power of the noise in one plane at each frequency, (H, W // 2 + 1); white noise of variance 1 has 1."""
    lags = profile.autocorrelation(plane) * profile.spectrum[plane].mean()
    covariance = torch.zeros(shape)
    reach = torch.arange(1 - BLOCK_SIDE, BLOCK_SIDE)
    rows, columns = reach[:, None], reach[None]
    covariance[rows % shape[0], columns % shape[1]] = lags[rows.abs(), columns.abs()]
    # The covariance ends at eight pixels, so some powers may be slightly negative.
    power: Tensor = torch.fft.rfft2(covariance).real
    return power.clamp(min=0)


def relative_level(profile: NoiseProfile, brightness: Tensor) -> Tensor:
    """Noise level at each pixel's brightness over the mean level, (H, W); linear between the bins."""
    levels = profile.levels.square().mean(0).sqrt()
    levels = levels / levels.square().mean().sqrt().clamp(min=1e-9)
    if len(levels) == 1:
        return torch.ones_like(brightness)
    levels, bins = (to_device(known, brightness.device) for known in (levels, profile.brightness))
    upper = torch.bucketize(brightness, bins).clamp(1, len(levels) - 1)
    low, high = bins[upper - 1], bins[upper]
    share = ((brightness - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return torch.lerp(levels[upper - 1], levels[upper], share)
