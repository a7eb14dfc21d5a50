"""Gaussian blur."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device


def gaussian_blurred(pictures: Tensor, widths: Sequence[float], reach: int) -> Tensor:
    """Blurs pictures, each by its own width; beyond the edges they are mirrored.

    Args:
        pictures: (B, C, H, W), larger than `reach`.
        widths: Standard deviation of each picture's Gaussian in pixels, above 0.
        reach: Radius of the kernel in pixels.

    Returns:
        (B, C, H, W).
    """
    distance = torch.arange(-reach, reach + 1)
    taps = torch.exp(-(distance**2) / (2 * torch.tensor(widths)[:, None] ** 2))
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(pictures.shape[1], 0)
    taps = to_device(taps, pictures.device)
    # One convolution with a group for each plane, so that each picture has its own kernel.
    planes = functional.pad(pictures.flatten(0, 1)[None], (reach,) * 4, mode="reflect")
    rows = functional.conv2d(planes, taps[:, None, :, None], groups=len(taps))
    columns = functional.conv2d(rows, taps[:, None, None], groups=len(taps))
    return columns.view_as(pictures)
