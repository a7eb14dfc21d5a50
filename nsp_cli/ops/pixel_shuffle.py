"""Pixel-shuffle downsampling (PD): one picture as stride² sub-images, and back (paper Sec. 3.1)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def pd_downsample(image: Tensor, stride: int) -> Tensor:
    """Splits a picture into its stride² sub-images.

    Args:
        image: (B, C, H, W), sides multiples of `stride`.
        stride: Distance between neighbouring pixels of a sub-image, in pixels of the picture.

    Returns:
        (stride²·B, C, H/stride, W/stride); sub-image k = r·stride + c of picture b is at
        index k·B + b and holds the pixels [r::stride, c::stride].
    """
    batch, channels, height, width = image.shape
    phases = functional.pixel_unshuffle(image, stride)
    phases = phases.view(batch, channels, stride**2, height // stride, width // stride)
    return phases.permute(2, 0, 1, 3, 4).flatten(0, 1)


def pd_upsample(sub_images: Tensor, stride: int) -> Tensor:
    """Interleaves stride² pictures into one; the inverse of `pd_downsample`.

    Args:
        sub_images: (stride²·B, C, H, W), ordered as `pd_downsample` returns them.
        stride: Distance between neighbouring pixels of a sub-image in the result.

    Returns:
        (B, C, stride·H, stride·W).
    """
    count, channels, height, width = sub_images.shape
    phases = sub_images.view(stride**2, count // stride**2, channels, height, width)
    phases = phases.permute(1, 2, 0, 3, 4).flatten(1, 2)
    return functional.pixel_shuffle(phases, stride)
