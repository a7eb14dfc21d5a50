"""Develops linear camera RGB to sRGB, in a way that training can follow back."""

from __future__ import annotations

import torch
from torch import Tensor

from nsp_cli.ops.transfer import linear_to_srgb

# Slope of what would be clipped, relative to that at the limit: an error there counts little, but counts.
_LEAK = 0.1
_SLOPE_AT_BLACK, _SLOPE_AT_WHITE = 12.92, 0.44


def as_seen(light: Tensor, matrices: Tensor) -> Tensor:
    """Develops pictures, with clipped values not quite clipped.

    Args:
        light: (B, 3, H, W) linear, in the white-balanced colours of the camera.
        matrices: (B, 3, 3) from these to linear sRGB.

    Returns:
        (B, 3, H, W) sRGB; below 0 and above 1 where it would be clipped.
    """
    kept = light.clamp(max=1) + _LEAK * (light - 1).clamp(min=0)
    linear = torch.einsum("bij,bjhw->bihw", matrices, kept)
    inside = linear.clamp(0, 1)
    below, above = linear.clamp(max=0), (linear - 1).clamp(min=0)
    return linear_to_srgb(inside) + _LEAK * (_SLOPE_AT_BLACK * below + _SLOPE_AT_WHITE * above)
