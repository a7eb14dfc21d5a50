"""The layers between DBSN's larger convolutions, fused into one pass over memory, for CUDA GPUs.

Layer by layer, a GPU spends four times as long on reading and writing feature maps as on convolutions.
The 3×3 and 5×5 convolutions stay with cuDNN. The bias, GELU, 1×1 convolution and addition after them
are one kernel.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.base import effective_weight

# Tensor cores need at least 16 channels, and blocks of channels are powers of two.
_CHANNELS = (16, 32, 64, 128, 256, 512)


def can_fuse(x: Tensor, *channels: int) -> bool:
    """Whether layers with these numbers of channels can be fused: on CUDA, in half precision, no autograd."""
    return (
        x.is_cuda
        and torch.is_inference_mode_enabled()
        and torch.is_autocast_enabled("cuda")
        and all(count in _CHANNELS for count in channels)
        and _kernels_work(x.device, torch.get_autocast_dtype("cuda"), channels[0])
    )


@cache
def _kernels_work(device: torch.device, precision: torch.dtype, channels: int) -> bool:
    """Tries a kernel: Triton needs compute capability 8.0 and a C compiler, and Windows has no Triton."""
    x = torch.zeros(1, channels, 16, 16, device=device, dtype=precision)
    layer = nn.Conv2d(channels, channels, 1, device=device)
    try:
        if torch.cuda.get_device_capability(device) < (8, 0):
            return False
        x = x.contiguous(memory_format=torch.channels_last)
        # The variant that needs most of a card.
        return bool(pointwise(layer, x, before=layer.bias, addend=x).isfinite().all())
    except Exception:  # compilers fail in many ways, and the layers work without fusing
        return False


def empty_like(like: Tensor, channels: int) -> Tensor:
    """An uninitialised (B, channels, H, W), channels last, otherwise like another tensor."""
    shape = (len(like), channels, *like.shape[2:])
    return torch.empty(shape, device=like.device, dtype=like.dtype, memory_format=torch.channels_last)


def convolve_then_pointwise(layer: nn.Module, following: nn.Module, x: Tensor, **more: Tensor) -> Tensor:
    """The result of a larger convolution, GELU and `pointwise` with the 1×1 convolution that follows.

    Args:
        layer: The larger convolution, stride 1.
        following: The 1×1 convolution.
        x: (B, C, H, W), float16 or bfloat16, channels last.
        more: As for `pointwise`.
    """
    assert isinstance(layer, nn.Conv2d)
    weight = effective_weight(layer).to(x.dtype)
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
    """GELU(W·x + b) of a 1×1 convolution, or with an addend W·x + b + addend.

    Args:
        layer: The convolution.
        x: (B, C, H, W), float16 or bfloat16, channels last, or else it is copied.
        before: (C,) bias of the layer before. If given, W is multiplied with GELU(x + before).
        addend: (B, C', H, W), channels last.
        answer: Tensor to write to: `addend`, or half of the channels of a larger tensor; None for a new one.
    """
    weight, bias = _parameters(layer)
    answer = empty_like(x, len(weight)) if answer is None else answer
    _multiply(x, weight, bias, answer, before=before, addend=addend)
    return answer


def pointwise_in_cells(layer: nn.Module, x: Tensor, t: int) -> Tensor:
    """The pixels of PixelShuffle(GELU(W·x + b)), with the pixels of a cell beside each other.

    Args:
        layer: The 1×1 convolution.
        x: (B, C, H, W), as for `pointwise`.
        t: Factor of the shuffle.

    Returns:
        (B, C' / t², H, W·t²).
    """
    weight, bias = (_cell_by_cell(given, t) for given in _parameters(layer))
    answer = empty_like(x, len(weight))
    _multiply(x, weight, bias, answer)
    batch, channels, height, width = answer.shape
    pixels = answer.permute(0, 2, 3, 1).view(batch, height, width * t**2, channels // t**2)
    return pixels.permute(0, 3, 1, 2)


def last_convolution(layer: nn.Module, cells: Tensor, t: int) -> Tensor:
    """The result of the last 1×1 convolution in float32, (B, 3, t·H, t·W).

    Args:
        layer: The convolution.
        cells: (B, C, H, W·t²), as from `pointwise_in_cells`.
        t: Factor of the shuffle.
    """
    from nsp_cli.networks.dbsn import fused_kernel  # not installed everywhere

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
    from nsp_cli.networks.dbsn import fused_kernel  # not installed everywhere

    rows = _rows(addend) if addend is not None else None
    x = x.contiguous(memory_format=torch.channels_last)  # no copy if it already is
    fused_kernel.multiply(_rows(x), weight.to(x.dtype), bias, _rows(answer), before, rows)


def _parameters(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight, (C', C), and bias of a 1×1 convolution."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    return layer.weight.flatten(1), layer.bias


def _cell_by_cell(parameter: Tensor, t: int) -> Tensor:
    """Reorders channels so that those of one pixel lie side by side; PixelShuffle expects them apart."""
    return parameter.reshape(-1, t**2, *parameter.shape[1:]).transpose(0, 1).flatten(0, 1).contiguous()


def _rows(picture: Tensor) -> Tensor:
    """The picture as (pixels, C), in the same memory."""
    return picture.permute(0, 2, 3, 1).view(-1, picture.shape[1])
