"""The student: a small residual U-Net that sees every pixel and is conditioned on the noise.

It is not in the paper. A blind-spot network must not see the pixel that it predicts, and so it learns
from noisy photos alone. A network without that restriction can learn from its results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.networks.base import CELL, CONDITIONING_SIZE, NetworkConfig, NetworkSpec
from nsp_cli.networks.kind import NetworkKind, State
from nsp_cli.networks.unet_body import COARSEST, FOLD, UnetBody, body_radius

# Factor for the last layer's initial weights, so that training starts near "change nothing".
_LAST_LAYER_SCALE = 0.2


@dataclass(frozen=True)
class UnetConfig:
    """Everything that a student is built from. The defaults cost 59,500 multiplications per photo pixel.

    Attributes:
        widths: Channels at a half, a quarter and an eighth of the photo's resolution. Of widths with
            equal cost, multiples of 32 were the fastest on a CPU, because they suit oneDNN.
        encoder: Residual blocks per level on the way down.
        decoder: Residual blocks of the upper two levels on the way up.
        scale: Output pixels per input pixel and axis, 1 or 2.
    """

    widths: tuple[int, int, int] = (32, 64, 128)
    encoder: tuple[int, int, int] = (2, 2, 4)
    decoder: tuple[int, int] = (2, 2)
    scale: int = 1

    def __post_init__(self) -> None:
        """Checks that the network can be built.

        Raises:
            ValueError: A width is zero, or the scale is neither 1 nor 2.
        """
        if min(self.widths) < 1 or self.scale not in (1, 2):
            raise ValueError(f"no student has widths {self.widths} and scale {self.scale}")

    def spec(self) -> NetworkSpec:
        """States how to feed the network."""
        return NetworkSpec(
            scale=self.scale,
            input_multiple=COARSEST,
            # Noise is interpolated between cells.
            radius=body_radius(self.encoder, self.decoder) + CELL // 2,
            exact_tiling=True,
            values_per_pixel=2 * self.widths[0],
            is_blind_spot=False,
            is_noise_conditioned=True,
        )

    def with_scale(self, scale: int) -> UnetConfig:
        """Config of the same network with another scale."""
        return replace(self, scale=scale)

    def build(self) -> Unet:
        """Builds the network with fresh random weights."""
        return Unet(self)


class Unet(UnetBody):
    """Maps a noisy picture and its noise to the picture without noise, at 1 or 2 times the size."""

    def __init__(self, config: UnetConfig) -> None:
        pixels = 3 * FOLD**2
        inputs, outputs = pixels + CONDITIONING_SIZE, pixels * config.scale**2
        super().__init__(inputs, outputs, config.widths, config.encoder, config.decoder)
        self.scale = config.scale
        with torch.no_grad():
            self.tail.weight.mul_(_LAST_LAYER_SCALE)

    def enter(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Enlarges and folds.

        Args:
            x: (B, 3, H, W) in [0, 1]; both sides multiples of 8.
            noise: (B, 6, H / 8, W / 8) standard deviations of the bands in each cell of 8×8 pixels, or
                (B, 6, 1, 1) for noise that is the same everywhere.

        Returns:
            (B, 3, scale·H, scale·W) and (B, inputs, H / 2, W / 2).
        """
        folded = functional.pixel_unshuffle(x, FOLD)
        planes = functional.interpolate(as_planes(noise), folded.shape[-2:], mode="bilinear")
        return enlarged(x, self.scale), torch.cat([folded - 0.5, planes.to(folded.dtype)], dim=1)

    def leave(self, plain: Tensor, answer: Tensor) -> Tensor:
        """The picture without noise, (B, 3, scale·H, scale·W)."""
        return plain - functional.pixel_shuffle(answer, FOLD * self.scale).to(plain.dtype)


def as_planes(noise: Tensor) -> Tensor:
    """Standard deviations as networks take them: the root makes equal errors of all levels about equal."""
    return (10 * noise).sqrt()


def from_planes(planes: Tensor) -> Tensor:
    """Standard deviations from what `as_planes` makes of them; below 0 is 0."""
    return planes.clamp(min=0).square() / 10


def enlarged(x: Tensor, scale: int) -> Tensor:
    """What the network's answer is subtracted from: (B, 3, H, W), scaled up by bicubic interpolation."""
    return x if scale == 1 else functional.interpolate(x, scale_factor=scale, mode="bicubic")


def _enlarge(config: NetworkConfig, weights: State) -> tuple[NetworkConfig, dict[str, Tensor]]:
    """Makes a network of scale 2 from one of scale 1.

    The last layer starts by giving each pixel's answer to all four pixels that it becomes.
    """
    enlarged = {name: value.clone() for name, value in weights.items()}
    for name in ("tail.weight", "tail.bias"):
        # Colour, row and column of a pixel in its cell.
        answers = enlarged[name].reshape(3, 2, 2, *enlarged[name].shape[1:])
        enlarged[name] = answers.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(0, 2)
    return config.with_scale(2), enlarged


UNET = NetworkKind(
    UnetConfig,
    # As nsp-fast and nsp-fast-x2 have it, and a larger one that has not proved better yet.
    presets={
        "fast": UnetConfig(),
        "fast-x2": UnetConfig(scale=2),
        "best": UnetConfig(widths=(96, 128, 160), encoder=(4, 4, 4), decoder=(4, 4)),
    },
    enlarge=_enlarge,
)
