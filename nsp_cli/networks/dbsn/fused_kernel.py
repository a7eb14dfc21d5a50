"""The kernels of `fused`, in Triton. Torch installs Triton where it supports CUDA on Linux."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Pixels of a program, and channels that it reads or writes at a time: as many as fit a small card's memory.
_PIXELS, _CHANNELS = 64, 128


@triton.jit
def _gelu(x):
    # x·Φ(x) with Φ by Abramowitz and Stegun, 7.1.26: 1e-7 off, a third of the instructions of erf.
    size = tl.abs(x)
    t = 1 / (1 + 0.23164189 * size)
    series = 0.7107068705 + t * (-0.7265760135 + t * 0.5307027145)
    series = t * (0.127414796 + t * (-0.142248368 + t * series))
    return tl.maximum(x, 0) - size * series * tl.exp2(x * x * -0.7213475204444817)


@triton.jit
def _multiply(
    x,
    weight,
    bias,
    answer,
    before,
    addend,
    pixels,
    x_stride,
    answer_stride,
    addend_stride,
    taken: tl.constexpr,
    has_before: tl.constexpr,
    has_addend: tl.constexpr,
    block_pixels: tl.constexpr,
    block_taken: tl.constexpr,
    block_answered: tl.constexpr,
):
    pixel = tl.program_id(0).to(tl.int64) * block_pixels + tl.arange(0, block_pixels)
    is_inside = pixel[:, None] < pixels
    column = tl.program_id(1) * block_answered + tl.arange(0, block_answered)
    total = tl.zeros((block_pixels, block_answered), tl.float32)
    for start in tl.static_range(0, taken, block_taken):
        channel = start + tl.arange(0, block_taken)
        values = tl.load(x + pixel[:, None] * x_stride + channel[None], mask=is_inside, other=0)
        if has_before:
            values = _gelu(values.to(tl.float32) + tl.load(before + channel)[None]).to(values.dtype)
        total = tl.dot(values, tl.load(weight + column[None] * taken + channel[:, None]), total)
    total += tl.load(bias + column)[None]
    if has_addend:
        place = addend + pixel[:, None] * addend_stride + column[None]
        total += tl.load(place, mask=is_inside, other=0).to(tl.float32)
    else:
        total = _gelu(total)
    place = answer + pixel[:, None] * answer_stride + column[None]
    tl.store(place, total.to(answer.dtype.element_ty), mask=is_inside)


@triton.jit
def _multiply_few(
    x, weight, bias, answer, pixels, taken: tl.constexpr, answered: tl.constexpr, block_pixels: tl.constexpr
):
    pixel = tl.program_id(0).to(tl.int64) * block_pixels + tl.arange(0, block_pixels)
    channel = tl.arange(0, taken)
    place = x + pixel[:, None] * taken + channel[None]
    values = tl.load(place, mask=pixel[:, None] < pixels, other=0).to(tl.float32)
    for column in tl.static_range(answered):
        products = values * tl.load(weight + column * taken + channel)[None]
        total = tl.sum(products, 1) + tl.load(bias + column)
        tl.store(answer + pixel * answered + column, total, mask=pixel < pixels)


def multiply(
    x: Tensor, weight: Tensor, bias: Tensor, answer: Tensor, before: Tensor | None, addend: Tensor | None
) -> None:
    """Writes GELU(W·x + b), or with an addend W·x + b + addend, into `answer`, which may be `addend`.

    Args:
        x: (pixels, C) of half precision, as weight, answer and addend; each row contiguous.
        weight: (C', C), contiguous.
        bias: (C',) float32.
        answer: (pixels, C').
        before: (C,) float32; W is then multiplied with GELU(x + before).
        addend: (pixels, C').
    """
    answered, taken = weight.shape
    grid = (triton.cdiv(len(x), _PIXELS), triton.cdiv(answered, _CHANNELS))
    with torch.cuda.device_of(x):  # Triton uses the current device, whatever device the tensors are on
        _multiply[grid](
            x,
            weight,
            bias,
            answer,
            before,
            addend,
            len(x),
            x.stride(0),
            answer.stride(0),
            0 if addend is None else addend.stride(0),
            taken,
            before is not None,
            addend is not None,
            _PIXELS,
            min(taken, _CHANNELS),
            min(answered, _CHANNELS),
            num_warps=4,
        )


def multiply_few(x: Tensor, weight: Tensor, bias: Tensor, answer: Tensor) -> None:
    """Writes W·x + b in float32 arithmetic into `answer`, for a few channels.

    Args:
        x: (pixels, C) of half precision, contiguous.
        weight: (C', C) float32, contiguous.
        bias: (C',) float32.
        answer: (pixels, C') float32, contiguous.
    """
    grid = (triton.cdiv(len(x), _PIXELS),)
    with torch.cuda.device_of(x):
        _multiply_few[grid](x, weight, bias, answer, len(x), x.shape[1], len(weight), _PIXELS)
