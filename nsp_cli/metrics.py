"""PSNR and SSIM as the paper reports them: on 8-bit rounded sRGB, data range 255."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Wang et al. 2004: an 11×11 Gaussian window of 1.5 pixels, K1 = 0.01, K2 = 0.03.
_RADIUS, _SIGMA = 5, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(image: Tensor, reference: Tensor) -> float:
    """Returns the peak signal-to-noise ratio in dB of two (3, H, W) uint8 pictures; inf if equal."""
    error = (image.double() - reference.double()).square().mean()
    return float(10 * torch.log10(255**2 / error))


def ssim(image: Tensor, reference: Tensor) -> float:
    """Returns the structural similarity of two (3, H, W) uint8 pictures, at most 1.

    Gaussian weights, population covariance, mean over the channels and over every pixel whose
    window lies inside the picture.

    Raises:
        ValueError: A side is shorter than the window's 11 pixels.
    """
    if min(image.shape[-2:]) <= 2 * _RADIUS:
        raise ValueError(f"SSIM needs {2 * _RADIUS + 1} pixels a side, got {tuple(image.shape[-2:])}")
    x, y = image.double()[:, None], reference.double()[:, None]
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return float((luminance * structure).mean())


def _blur(image: Tensor) -> Tensor:
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = weights / weights.sum()
    rows = functional.conv2d(image, weights.view(1, 1, -1, 1))
    return functional.conv2d(rows, weights.view(1, 1, 1, -1))
