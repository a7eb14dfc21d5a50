"""The sRGB transfer curve (IEC 61966-2-1), without its colours."""

from __future__ import annotations

import torch
from torch import Tensor


def srgb_to_linear(image: Tensor) -> Tensor:
    """Undoes the sRGB transfer curve, [0, 1] to [0, 1]."""
    return torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(image: Tensor) -> Tensor:
    """Applies the sRGB transfer curve, [0, 1] to [0, 1]."""
    return torch.where(image <= 0.0031308, image * 12.92, 1.055 * image.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
