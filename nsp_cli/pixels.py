"""Pixels of any photo as numbers in [0, 1], and back."""

from __future__ import annotations

import torch
from torch import Tensor


def to_unit_range(pixels: Tensor) -> Tensor:
    """Returns uint8, uint16 or float pixels as float32 with white at 1."""
    if pixels.dtype.is_floating_point:
        return pixels.float()
    return pixels.to(torch.float32) / torch.iinfo(pixels.dtype).max


def from_unit_range(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Undoes `to_unit_range`: integers are rounded and clipped, floats stay as they are."""
    if dtype.is_floating_point:
        return pixels.to(dtype)
    white = torch.iinfo(dtype).max
    return (pixels * white).round_().clamp_(0, white).to(dtype)
