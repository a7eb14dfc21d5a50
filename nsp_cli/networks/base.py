"""What callers must know about a network, and layers that several networks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

# Numbers that describe a photo's noise to a network: levels of coarse, middle and fine luma, then of chroma.
CONDITIONING_SIZE = 6


@dataclass(frozen=True)
class NetworkSpec:
    """What a caller must know to feed a network, as data.

    Attributes:
        scale: t, the output pixels per input pixel and axis.
        input_multiple: Both sides of the network's input must be multiples of this.
        radius: Receptive-field radius in input pixels; what lies farther away does not count.
        exact_tiling: False where attention pools over all it sees (TBSN), so that a tile's
            result differs from the whole picture's however large the halo.
        values_per_pixel: Numbers alive at the peak per input pixel, measured; what a tile costs.
        is_blind_spot: Whether an output pixel is independent of the input pixel in its own place.
        is_noise_conditioned: Whether the network takes the photo's estimated noise as a second input:
            (B, 6), as from `noise_conditioning`.
    """

    scale: int
    input_multiple: int
    radius: int
    exact_tiling: bool
    values_per_pixel: int
    is_blind_spot: bool = True
    is_noise_conditioned: bool = False


class NetworkConfig(Protocol):
    """A frozen dataclass from which alone a network is built."""

    def spec(self) -> NetworkSpec:
        """States how to feed the network."""

    def build(self) -> nn.Module:
        """Builds the network with fresh random weights."""

    def with_scale(self, scale: int) -> NetworkConfig:
        """Config of the same network with another scale.

        Raises:
            ValueError: The network cannot have this scale.
        """


class CentreMaskedConv2d(nn.Conv2d):
    """Convolves with the centre tap left out, so that no output sees the pixel in its own place.

    The stored weight's centre may hold anything (the authors' files do); it is multiplied by zero.
    The mask is a constant of the architecture and is not saved.
    """

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
        mask = torch.ones(1, 1, kernel_size, kernel_size)
        mask[..., kernel_size // 2, kernel_size // 2] = 0
        self.register_buffer("mask", mask, persistent=False)

    def masked_weight(self) -> Tensor:
        """Returns the weight that counts."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return functional.conv2d(x, self.masked_weight(), self.bias, padding=self.padding)


class Gelu(nn.GELU):
    """GELU that a CPU computes as fast where the channels lie last in memory as where they do not.

    Torch gives it to oneDNN, twice as fast as its own, only if the dimensions are in memory's order.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        if input.is_contiguous():
            return super().forward(input)
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


def weight_that_counts(convolution: nn.Conv2d) -> Tensor:
    """Returns a convolution's weight, masked where it is a `CentreMaskedConv2d`."""
    return convolution.masked_weight() if isinstance(convolution, CentreMaskedConv2d) else convolution.weight
