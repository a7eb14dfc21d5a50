"""What callers must know about a network, and layers that several networks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

# Numbers that describe noise to a network: levels of coarse, middle and fine luma, then of chroma.
CONDITIONING_SIZE = 6
# Sides in photo pixels of the cells in which a noise map gives these numbers.
CELL = 8


@dataclass(frozen=True)
class NetworkSpec:
    """What a caller must know to feed a network, as data.

    Attributes:
        scale: t, output pixels per input pixel and axis.
        input_multiple: Both sides of the network's input must be multiples of this number.
        radius: Receptive-field radius in input pixels; pixels farther away do not count.
        exact_tiling: Whether tiles give the same result as the whole picture. False where attention
            pools over all that the network sees (TBSN), however large the halo is. Such a network takes
            photos of several tiles layer by layer.
        values_per_pixel: Numbers held at the peak per input pixel, measured; the memory that a tile needs.
        is_blind_spot: Whether an output pixel is independent of the input pixel in its own place.
        is_noise_conditioned: Whether the network takes the photo's noise map as a second input.
        is_noise_estimator: Whether the network's result is a noise map and not a picture.
        is_raw: Whether the network takes a camera's mosaic and not a picture.
    """

    scale: int
    input_multiple: int
    radius: int
    exact_tiling: bool
    values_per_pixel: int
    is_blind_spot: bool = True
    is_noise_conditioned: bool = False
    is_noise_estimator: bool = False
    is_raw: bool = False


class NetworkConfig(Protocol):
    """A frozen dataclass that holds everything a network is built from."""

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
    """Convolves without the centre tap, so that no output sees the pixel in its own place.

    The centre of the stored weight may hold any number, as it does in the authors' files; it is
    multiplied by zero. The mask is a constant of the architecture and is not saved.
    """

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
        mask = torch.ones(1, 1, kernel_size, kernel_size)
        mask[..., kernel_size // 2, kernel_size // 2] = 0
        self.register_buffer("mask", mask, persistent=False)

    def masked_weight(self) -> Tensor:
        """The weight without its centre tap."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return functional.conv2d(x, self.masked_weight(), self.bias, padding=self.padding)


class Gelu(nn.GELU):
    """GELU that is equally fast on a CPU for both memory formats.

    Torch passes it to oneDNN, which is twice as fast as torch itself, only if the dimensions are in the
    order of memory.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        if input.is_contiguous():
            return super().forward(input)
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


def effective_weight(convolution: nn.Conv2d) -> Tensor:
    """A convolution's weight, masked if it is a `CentreMaskedConv2d`."""
    return convolution.masked_weight() if isinstance(convolution, CentreMaskedConv2d) else convolution.weight
