"""Measured peak of the hardware: a large matrix product and a large copy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from nsp_cli.device import PRECISIONS, native_precisions

# Sides of the square matrices; a GPU needs large ones to reach its peak.
_SIDES_ON_CPU, _SIDES_ON_GPU = (512, 1024, 2048), (4096, 8192)
_COPIED_BYTES = 256 * 2**20
# Each operation is repeated this long, and the fastest call counts.
_SECONDS = 0.5


@dataclass(frozen=True)
class Peak:
    """Peak of the hardware in one precision.

    Attributes:
        precision: Name of the precision on the command line.
        matrix_flops: Operations per second of a matrix product; a multiplication and an addition are two.
        copy_bytes: Bytes per second that a copy reads and writes.
    """

    precision: str
    matrix_flops: float
    copy_bytes: float


def measure_peaks(device: torch.device) -> list[Peak]:
    """Measures the peak in every precision that the device supports natively."""
    names = [name for name, precision in PRECISIONS.items() if precision in native_precisions(device)]
    return [
        Peak(name, _matrix_flops(device, PRECISIONS[name]), _copy(device, PRECISIONS[name])) for name in names
    ]


@torch.inference_mode()
def _matrix_flops(device: torch.device, precision: torch.dtype) -> float:
    sides = _SIDES_ON_CPU if device.type == "cpu" else _SIDES_ON_GPU
    return max(
        2 * side**3 / best_seconds(product, device)
        for side in sides
        for product in _products(side, device, precision)
    )


def _products(side: int, device: torch.device, precision: torch.dtype) -> Iterator[Callable[[], object]]:
    """Yields a matrix product in two ways: through BLAS, and through the library for convolutions.

    On some CPUs one is twice as fast as the other. Networks use the second.
    """
    a, b = (torch.randn(side, side, device=device).to(precision) for _ in range(2))
    yield lambda: a @ b
    # A 1×1 convolution of a picture of side pixels with side channels.
    picture, kernels = a.view(1, side // 32, 32, side).permute(0, 3, 1, 2), b.view(side, side, 1, 1)
    yield lambda: functional.conv2d(picture, kernels)


@torch.inference_mode()
def _copy(device: torch.device, precision: torch.dtype) -> float:
    source = torch.zeros(_COPIED_BYTES // precision.itemsize, dtype=precision, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED_BYTES / best_seconds(lambda: target.copy_(source), device)


def best_seconds(function: Callable[[], object], device: torch.device) -> float:
    """Returns the seconds of the fastest of many calls, each until the device has finished."""
    function()
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        _wait(device)
        begin = time.perf_counter()
        function()
        _wait(device)
        best = min(best, time.perf_counter() - begin)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    elif device.type == "xpu":
        torch.xpu.synchronize(device)
