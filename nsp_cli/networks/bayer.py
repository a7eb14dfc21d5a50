"""The RAW network: a U-Net that denoises and demosaics a Bayer mosaic at once.

It is not in the paper. Demosaicing spreads the noise of a pixel over its neighbours, and takes noise for
detail. In the mosaic, noise is independent from pixel to pixel, and its level follows from the signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.base import CONDITIONING_SIZE, NetworkSpec
from nsp_cli.networks.kind import NetworkKind, State
from nsp_cli.networks.unet import as_planes
from nsp_cli.networks.unet_body import COARSEST, FOLD, UnetBody, body_radius
from nsp_cli.ops.bayer import SITES, demosaic_folded, folded_kernel

# Offset of the encoding's root. With it, the slope at black is that of sRGB, 12.92.
_OFFSET = 0.0015
_ROOT = math.sqrt(_OFFSET)
# Side in cells of the squares over which a signal is averaged to know its noise.
_AROUND = 5
_COLOURS = 3


@dataclass(frozen=True)
class BayerConfig:
    """Everything that a RAW network is built from. The defaults cost 59,400 multiplications per pixel.

    Attributes:
        widths: Channels at a half, a quarter and an eighth of the photo's resolution.
        encoder: Residual blocks per level on the way down.
        decoder: Residual blocks of the upper two levels on the way up.
    """

    widths: tuple[int, int, int] = (32, 64, 128)
    encoder: tuple[int, int, int] = (2, 2, 4)
    decoder: tuple[int, int] = (2, 2)

    def __post_init__(self) -> None:
        """Raises ValueError if a width is zero."""
        if min(self.widths) < 1:
            raise ValueError(f"no RAW network has widths {self.widths}")

    def spec(self) -> NetworkSpec:
        """States how to feed the network."""
        return NetworkSpec(
            scale=1,
            input_multiple=COARSEST,
            radius=body_radius(self.encoder, self.decoder) + FOLD * (_AROUND // 2),
            exact_tiling=True,
            values_per_pixel=2 * self.widths[0],
            is_blind_spot=False,
            is_raw=True,
        )

    def with_scale(self, scale: int) -> BayerConfig:
        """Raises ValueError unless the scale is 1."""
        if scale != 1:
            raise ValueError("a RAW network does not enlarge")
        return self

    def build(self) -> BayerNetwork:
        """Builds the network with fresh random weights."""
        return BayerNetwork(self)


class BayerNetwork(UnetBody):
    """Maps a mosaic and its noise to the full-colour picture without noise."""

    demosaicing: Tensor

    def __init__(self, config: BayerConfig) -> None:
        pixels = _COLOURS * FOLD**2
        super().__init__(pixels + len(SITES), pixels, config.widths, config.encoder, config.decoder)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        self.register_buffer("demosaicing", folded_kernel(), persistent=False)

    def enter(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Demosaics bilinearly, and folds.

        Args:
            x: (B, 1, H, W) linear, red, green / green, blue from the first pixel on; both sides
                multiples of 8. Black is 0, below which noise may reach. The colours are white-balanced,
                with the white of green at 1.
            noise: (B, 2, 4): variance per unit of signal and variance at black, of the four sites of a cell
                in reading order.

        Returns:
            (B, 12, H / 2, W / 2) under the root, and (B, 16, H / 2, W / 2).
        """
        # Faint noise is below the accuracy of bfloat16 beside the picture.
        with torch.autocast(x.device.type, enabled=False):
            cells = functional.pixel_unshuffle(x.float(), FOLD)
            plain = demosaic_folded(encoded(cells), self.demosaicing)
            planes = as_planes(_encoded_deviation(cells, noise.float()))
        return plain, torch.cat([plain - 0.5, planes], dim=1)

    def leave(self, plain: Tensor, answer: Tensor) -> Tensor:
        """(B, 3, H, W) float32 linear, in the colours of the camera, white-balanced like the mosaic."""
        return decoded(functional.pixel_shuffle(plain - answer.float(), FOLD))


def encoded(light: Tensor) -> Tensor:
    """Linear values under a root, which makes their noise nearly the same everywhere; linear below 0."""
    root = (light.clamp(min=0) + _OFFSET).sqrt() - _ROOT
    return root + light.clamp(max=0) / (2 * _ROOT)


def decoded(values: Tensor) -> Tensor:
    """Linear values from what `encoded` makes of them."""
    square = (values.clamp(min=0) + _ROOT).square() - _OFFSET
    return square + values.clamp(max=0) * (2 * _ROOT)


def _encoded_deviation(cells: Tensor, noise: Tensor) -> Tensor:
    """Standard deviation of the noise under the root, (B, 4, H, W).

    Half the distance that a deviation above and one below are apart; the slope alone would be wrong for
    noise as strong as the signal.
    """
    signal = functional.avg_pool2d(
        cells, _AROUND, stride=1, padding=_AROUND // 2, count_include_pad=False
    ).clamp(min=0)
    slope, floor = noise[:, :, :, None, None].unbind(1)
    deviation = (slope * signal + floor).clamp(min=1e-12).sqrt()
    return (encoded(signal + deviation) - encoded(signal - deviation)) / 2


def from_student(weights: State) -> dict[str, Tensor]:
    """Weights of a RAW network that begins as a student does, on the picture as demosaiced bilinearly.

    Args:
        weights: Weights of a student that does not enlarge; the RAW network has the same body.
    """
    begun = {name: value.clone() for name, value in weights.items()}
    pixels, bands = torch.split(weights["head.weight"], [_COLOURS * FOLD**2, CONDITIONING_SIZE], dim=1)
    # White noise has the same level in all bands. Each site tells a quarter of it.
    sites = bands.sum(1, keepdim=True).expand(-1, len(SITES), -1, -1) / len(SITES)
    begun["head.weight"] = torch.cat([pixels, sites], dim=1)
    return begun


BAYER = NetworkKind(BayerConfig)
