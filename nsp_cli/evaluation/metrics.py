"""PSNR and SSIM as in the paper: on sRGB rounded to 8 bits, with a data range of 255."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# Wang et al. 2004: an 11×11 Gaussian window of 1.5 pixels, K1 = 0.01, K2 = 0.03.
_RADIUS, _SIGMA = 5, 1.5
_K1, _K2 = 0.01, 0.03


def psnr(image: Tensor, reference: Tensor) -> float:
    """Returns the peak signal-to-noise ratio of two (3, H, W) uint8 pictures in dB; inf if they are equal."""
    error = (image.double() - reference.double()).square().mean()
    return float(10 * torch.log10(255**2 / error))


def ssim(image: Tensor, reference: Tensor) -> float:
    """Returns the structural similarity of two (3, H, W) uint8 pictures, at most 1.

    It uses Gaussian weights and population covariance, and is the mean over the channels and over
    every pixel whose window lies inside the picture.

    Raises:
        ValueError: A side is shorter than the window's 11 pixels.
    """
    if min(image.shape[-2:]) <= 2 * _RADIUS:
        raise ValueError(f"SSIM needs {2 * _RADIUS + 1} pixels a side, got {tuple(image.shape[-2:])}")
    return float(similarity(image.double()[:, None], reference.double()[:, None], _blur, white=255).mean())


def similarity(x: Tensor, y: Tensor, local_mean: Callable[[Tensor], Tensor], *, white: float) -> Tensor:
    """Returns the structural similarity of two pictures at every position of the window.

    Args:
        x, y: (…, H, W) pictures, floating point.
        local_mean: Returns the mean over the window at every position of a picture.
        white: Value of white.
    """
    # Subtracting grey first keeps rounding errors of the mean from hiding small variances.
    grey, c1, c2 = white / 2, (_K1 * white) ** 2, (_K2 * white) ** 2
    x, y = x - grey, y - grey
    mean_x, mean_y = local_mean(x), local_mean(y)
    variances = local_mean(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    covariance = local_mean(x * y) - mean_x * mean_y
    structure = (2 * covariance + c2) / (variances + c2)
    a, b = mean_x + grey, mean_y + grey
    return structure * (2 * a * b + c1) / (a * a + b * b + c1)


def _blur(image: Tensor) -> Tensor:
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = weights / weights.sum()
    rows = functional.conv2d(image, weights.view(1, 1, -1, 1))
    return functional.conv2d(rows, weights.view(1, 1, 1, -1))
