"""Pixels of any photo as numbers in [0, 1], and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nsp_cli.ops.pixel_array import Pixels


def to_unit_range(pixels: Tensor) -> Tensor:
    """The uint8, uint16 or float pixels as float32 with white at 1."""
    if pixels.dtype.is_floating_point:
        return pixels.float()
    return pixels.to(torch.float32) / torch.iinfo(pixels.dtype).max


def from_unit_range(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Undoes `to_unit_range`. Integers are rounded and clipped, floats stay as they are."""
    if dtype.is_floating_point:
        return pixels.to(dtype)
    white = torch.iinfo(dtype).max
    return (pixels * white).round_().clamp_(0, white).to(dtype)


def pixels_to_tensor(pixels: Pixels) -> Tensor:
    """The (H, W, 3) pixels as the (3, H, W) that a `Restorer` takes; copied only if read-only.

    Raises:
        ValueError: The array has another shape, or is not uint8, uint16 or float32.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"need (H, W, 3) uint8, uint16 or float32, got {pixels.shape} {pixels.dtype}")
    return torch.from_numpy(np.require(pixels, requirements=["C", "W"])).permute(2, 0, 1)


def tensor_to_pixels(image: Tensor) -> Pixels:
    """The (3, H, W) result of a `Restorer` as (H, W, 3) pixels; not copied."""
    pixels: Pixels = image.permute(1, 2, 0).numpy()
    return pixels
