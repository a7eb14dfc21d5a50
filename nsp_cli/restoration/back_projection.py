"""Back projection: makes an enlargement agree with the picture that it enlarges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.pixels import from_unit_range, to_unit_range

# Rows of the photo in a strip, and rows around it. Two rounds of bicubic interpolation see two rows each.
_STRIP, _CONTEXT = 256, 8


def back_projected(enlarged: Tensor, target: Tensor, scale: int) -> Tensor:
    """The enlargement with the mean of every t×t pixels moved to the target's pixel.

    Args:
        enlarged: (3, t·H, t·W) float in [0, 1].
        target: (3, H, W) uint8, uint16 or float in [0, 1].
        scale: t.

    Returns:
        (3, t·H, t·W) of the type of `target`.
    """
    height, width = target.shape[-2:]
    result = torch.empty((height * scale, width * scale, 3), dtype=target.dtype).permute(2, 0, 1)
    for start in range(0, height, _STRIP):
        top, bottom = max(0, start - _CONTEXT), min(height, start + _STRIP + _CONTEXT)
        part = enlarged[:, top * scale : bottom * scale].float()
        part = _back_project(part, to_unit_range(target[:, top:bottom]), scale)
        stop = min(height, start + _STRIP)
        core = part[:, (start - top) * scale : (stop - top) * scale]
        result[:, start * scale : stop * scale] = from_unit_range(core, target.dtype)
    return result


def _back_project(enlarged: Tensor, target: Tensor, scale: int) -> Tensor:
    for mode in ("bicubic", "bicubic", "nearest"):
        # Smooth rounds first, so that no blocks show. The last round makes the invisible rest exact.
        difference = target - functional.avg_pool2d(enlarged, scale)
        enlarged = enlarged + functional.interpolate(difference[None], scale_factor=scale, mode=mode)[0]
    return enlarged
