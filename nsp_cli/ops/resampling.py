"""Halving of pictures with the common kernels: area, bicubic, Lanczos."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device


def _area(distance: float) -> float:
    return float(abs(distance) < 0.5)


def _bicubic(distance: float) -> float:
    """Keys' kernel with a = −0.5, as in image libraries."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _lanczos(distance: float) -> float:
    if abs(distance) >= 3:
        return 0.0
    x = math.pi * distance
    return 1.0 if x == 0 else 3 * math.sin(x) * math.sin(x / 3) / x**2


KERNELS: dict[str, Callable[[float], float]] = {"area": _area, "bicubic": _bicubic, "lanczos": _lanczos}


def halve(image: Tensor, kernel: str) -> Tensor:
    """Halves a picture's sides, with the low-pass filter that this needs.

    Args:
        image: (C, H, W) with even sides of at least 12.
        kernel: A key of `KERNELS`.

    Returns:
        (C, H/2, W/2); may overshoot [0, 1] slightly.
    """
    # A new pixel's centre lies between two old ones, so taps are at odd multiples of a quarter.
    taps = torch.tensor([KERNELS[kernel]((tap + 0.5) / 2) for tap in range(-6, 6)])
    taps = to_device(taps / taps.sum(), image.device)
    padded = functional.pad(image[:, None], (5, 5, 5, 5), mode="reflect")
    rows = functional.conv2d(padded, taps.view(1, 1, 12, 1), stride=(2, 1))
    halved: Tensor = functional.conv2d(rows, taps.view(1, 1, 1, 12), stride=(1, 2))
    return halved[:, 0]
