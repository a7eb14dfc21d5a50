"""Runs layers over a picture in strips of rows, small enough to stay in a CPU's cache.

A layer that takes a whole tile reads it from main memory and writes it back. In strips, several layers
follow each other in the cache, and only their input and result pass through memory. The rows beside a
strip are the picture's own; past the picture's ends they are zeros, as padding makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.base import effective_weight

Layers = Callable[..., Tensor]

# Size of what passes between two layers. 2 MB is as good; 8 MB is slower for narrow networks.
_STRIP_BYTES = 4 << 20


def pays_off(x: Tensor) -> bool:
    """Whether strips are faster. A GPU needs large pieces, and autograd forbids writing in place."""
    return x.device.type == "cpu" and torch.is_inference_mode_enabled()


def without_row_padding(convolution: nn.Module) -> tuple[Layers, int]:
    """A padded convolution as one that shortens its input at top and bottom, and by how many rows."""
    assert isinstance(convolution, nn.Conv2d)
    weight = effective_weight(convolution)
    reach, dilation = int(convolution.padding[0]), convolution.dilation
    return partial(
        functional.conv2d, weight=weight, bias=convolution.bias, padding=(0, reach), dilation=dilation
    ), reach


def map_strips(layers: Layers, *pictures: Tensor, channels: int, reach: int = 0) -> Tensor:
    """The result of layers on pictures of one size.

    Args:
        layers: Called with a strip of each picture, `reach` rows longer at both ends than the result.
        pictures: (B, C, H, W) each.
        channels: Most channels that pass between two of the layers.
        reach: Rows that the layers see above and below.
    """
    result, height = None, pictures[0].shape[2]
    for top, bottom in _strips(pictures[0], channels):
        answer = layers(*(_rows(x, top - reach, bottom + reach) for x in pictures))
        scale = answer.shape[2] // (bottom - top)
        if result is None:
            shape = (*answer.shape[:2], scale * height, answer.shape[3])
            result = torch.empty(shape, dtype=answer.dtype, memory_format=torch.channels_last)
        result[:, :, scale * top : scale * bottom] = answer
    assert result is not None  # every picture has rows
    return result


def add_strips(layers: Layers, x: Tensor, *, reach: int) -> Tensor:
    """Adds the result of layers on a picture to the picture in place, and returns it.

    Args:
        layers: As for `map_strips`.
        x: (B, C, H, W), overwritten.
        reach: Rows that the layers see above and below.
    """
    above = x.new_zeros(())  # above the picture
    for top, bottom in _strips(x, x.shape[1]):
        strip = _rows(x, top - reach, bottom + reach)
        strip[:, :, :reach] = above
        above = strip[:, :, bottom - top : bottom - top + reach].clone()  # unchanged rows, for the next strip
        x[:, :, top:bottom].add_(layers(strip))
    return x


def _strips(x: Tensor, channels: int) -> Iterator[tuple[int, int]]:
    height = x.shape[2]
    rows = max(1, _STRIP_BYTES // (x.shape[0] * x.shape[3] * channels * x.element_size()))
    for top in range(0, height, rows):
        yield top, min(height, top + rows)


def _rows(x: Tensor, first: int, last: int) -> Tensor:
    """A copy of rows first to last − 1; zeros past the picture's ends."""
    batch, channels, height, width = x.shape
    shape = (batch, channels, last - first, width)
    rows = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    start, stop = max(0, first), min(last, height)
    rows[:, :, : start - first] = 0
    rows[:, :, start - first : stop - first] = x[:, :, start:stop]
    rows[:, :, stop - first :] = 0
    return rows
