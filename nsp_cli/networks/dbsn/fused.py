"""What a DBSN does between its larger convolutions in one pass over memory, for CUDA GPUs.

Layer by layer, a GPU spends four times as long on reading and writing feature maps as on convolutions.
The 3×3 and 5×5 ones stay cuDNN's; bias, GELU, 1×1 convolution and addition after them are one kernel.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.base import weight_that_counts

# Tensor cores take no fewer channels, and blocks of them are powers of two.
_CHANNELS = (16, 32, 64, 128, 256, 512)


def can_fuse(x: Tensor, *channels: int) -> bool:
    """Whether to fuse layers of these numbers of channels: on CUDA, in half precision, without autograd."""
    return (
        x.is_cuda
        and torch.is_inference_mode_enabled()
        and torch.is_autocast_enabled("cuda")
        and all(count in _CHANNELS for count in channels)
        and _work_on(x.device, torch.get_autocast_dtype("cuda"), channels[0])
    )


@cache
def _work_on(device: torch.device, precision: torch.dtype, channels: int) -> bool:
    """Tries, for Triton needs compute capability 8.0 and a C compiler, and Windows has no Triton."""
    x = torch.zeros(1, channels, 16, 16, device=device, dtype=precision)
    layer = nn.Conv2d(channels, channels, 1, device=device)
    try:
        if torch.cuda.get_device_capability(device) < (8, 0):
            return False
        x = x.contiguous(memory_format=torch.channels_last)
        # What takes most of a card.
        return bool(pointwise(layer, x, before=layer.bias, addend=x).isfinite().all())
    except Exception:  # compilers fail in many ways, and layer by layer works without
        return False


def empty(like: Tensor, channels: int) -> Tensor:
    """Returns an uninitialised (B, channels, H, W), channels last, in all else like another."""
    shape = (len(like), channels, *like.shape[2:])
    return torch.empty(shape, device=like.device, dtype=like.dtype, memory_format=torch.channels_last)


def after(layer: nn.Module, following: nn.Module, x: Tensor, **more: Tensor) -> Tensor:
    """Returns what `pointwise` of `following` makes of GELU of a larger convolution's answer to x.

    Args:
        layer: The larger convolution, stride 1.
        following: The 1×1 convolution.
        x: (B, C, H, W), float16 or bfloat16, channels last.
        more: As for `pointwise`.
    """
    assert isinstance(layer, nn.Conv2d)
    weight = weight_that_counts(layer).to(x.dtype)
    answer = functional.conv2d(x, weight, padding=layer.padding, dilation=layer.dilation)
    return pointwise(following, answer, before=layer.bias, **more)


def pointwise(
    layer: nn.Module,
    x: Tensor,
    *,
    before: Tensor | None = None,
    addend: Tensor | None = None,
    answer: Tensor | None = None,
) -> Tensor:
    """Returns GELU(W·x + b) of a 1×1 convolution, or with an addend W·x + b + addend.

    Args:
        layer: The convolution.
        x: (B, C, H, W), float16 or bfloat16, channels last or it is copied.
        before: (C,), a bias; W is then multiplied with GELU(x + before).
        addend: (B, C', H, W), channels last.
        answer: Where it goes, `addend` or half of the channels of a larger one; None for a new tensor.
    """
    weight, bias = _parameters(layer)
    answer = empty(x, len(weight)) if answer is None else answer
    _multiply(x, weight, bias, answer, before=before, addend=addend)
    return answer


def pointwise_in_cells(layer: nn.Module, x: Tensor, t: int) -> Tensor:
    """Returns the pixels of PixelShuffle(GELU(W·x + b)), those of a cell beside each other.

    Args:
        layer: The 1×1 convolution.
        x: (B, C, H, W), as for `pointwise`.
        t: Of the shuffle.

    Returns:
        (B, C' / t², H, W·t²).
    """
    weight, bias = (_cell_by_cell(given, t) for given in _parameters(layer))
    answer = empty(x, len(weight))
    _multiply(x, weight, bias, answer)
    batch, channels, height, width = answer.shape
    pixels = answer.permute(0, 2, 3, 1).view(batch, height, width * t**2, channels // t**2)
    return pixels.permute(0, 3, 1, 2)


def finest(layer: nn.Module, cells: Tensor, t: int) -> Tensor:
    """Returns a last 1×1 convolution's answer in float32, (B, 3, t·H, t·W).

    Args:
        layer: The convolution.
        cells: (B, C, H, W·t²), as from `pointwise_in_cells`.
        t: Of the shuffle.
    """
    from nsp_cli.networks.dbsn import fused_kernel  # not everywhere

    weight, bias = _parameters(layer)
    colours = torch.empty(len(_rows(cells)), len(weight), device=cells.device)
    fused_kernel.multiply_few(_rows(cells), weight, bias, colours)
    batch, _, height, cells_width = cells.shape
    answer = colours.view(batch, height, -1, t, t, len(weight)).permute(0, 5, 1, 3, 2, 4)
    return answer.reshape(batch, len(weight), height * t, cells_width // t)


def _multiply(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    answer: Tensor,
    *,
    before: Tensor | None = None,
    addend: Tensor | None = None,
) -> None:
    from nsp_cli.networks.dbsn import fused_kernel  # not everywhere

    rows = _rows(addend) if addend is not None else None
    x = x.contiguous(memory_format=torch.channels_last)  # no copy where convolutions answer so
    fused_kernel.multiply(_rows(x), weight.to(x.dtype), bias, _rows(answer), before, rows)


def _parameters(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Returns a 1×1 convolution's weight, (C', C), and bias."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    return layer.weight.flatten(1), layer.bias


def _cell_by_cell(parameter: Tensor, t: int) -> Tensor:
    """Puts the channels that become one pixel side by side; PixelShuffle has a pixel's apart."""
    return parameter.reshape(-1, t**2, *parameter.shape[1:]).transpose(0, 1).flatten(0, 1).contiguous()


def _rows(picture: Tensor) -> Tensor:
    """Returns (pixels, C), the same memory."""
    return picture.permute(0, 2, 3, 1).view(-1, picture.shape[1])
