"""Splits a noisy mosaic into two whose noise is independent, by the noise that its sensor is known to have.

More noise n of the same variance is drawn. Of the mosaic y, y + t·n is shown to the network, and y − n / t is
what its answer is compared with (Pang et al., Recorrupted-to-Recorrupted, CVPR 2021). The covariance of their
noise is var(y) − var(n) = 0, so the mean of (f(y + t·n) − (y − n / t))² is the error of f plus the noise of
the target. Nothing is hidden from the network: it learns to use every pixel as it will.

Where the noise is measured wrong by a hundredth, the error is wrong by a hundredth of the noise, which may be
a tenth of the error. Differences between networks hardly depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.ops.bayer import bayer_masks
from nsp_cli.training.seeded_random import white_noise

# Deviations of the noise from which a value is far enough from white, and from the least that a file holds:
# nearer, clipping bends the noise.
_FAR = 3.0
# Share of white from which a value counts as clipped.
_WHITE = 0.985
# sRGB's curve in linear light: where it begins to bend, its slope before, and factor and power of it behind.
_BEND, _STEEP, _FACTOR, _POWER = 0.0031308, 12.92, 1.055 / 2.4, 1 / 2.4 - 1
_LEVELS = 255.0


@dataclass(frozen=True, eq=False)
class MosaicCrops:
    """Crops of what sensors saw, in RGGB phase, white-balanced, with the white of green at 1.

    Attributes:
        light: (B, 1, H, W) linear.
        expected: About the same without noise, likewise.
        noise: (B, 2, 4) as RAW networks take it.
        whites: (B, 3) where each colour clips: the gains.
        lowest: (B,) least value of the file, before balancing.
    """

    light: Tensor
    expected: Tensor
    noise: Tensor
    whites: Tensor
    lowest: Tensor

    def on(self, device: torch.device) -> MosaicCrops:
        """The same on a device."""
        parts = (self.light, self.expected, self.noise, self.whites, self.lowest)
        return MosaicCrops(*(to_device(part, device) for part in parts))

    @property
    def variance(self) -> Tensor:
        """Variance of the noise, (B, 1, H, W)."""
        return _at_sites(self.noise[:, 0], self.light) * self.expected.clamp(min=0) + _at_sites(
            self.noise[:, 1], self.light
        )

    @property
    def is_whole(self) -> Tensor:
        """Where neither white nor the least value of the file cuts off noise, (B, 1, H, W).

        What is expected decides, because choosing by the noisy value would choose the noise.
        """
        white = _at_sites(self.whites[:, (0, 1, 1, 2)], self.light)
        reach, lowest = _FAR * self.variance.sqrt(), self.lowest[:, None, None, None] * white
        is_inside = (self.expected + reach < white) & (self.expected - reach > lowest)
        return is_inside & (self.light < _WHITE * white)

    @property
    def weight(self) -> Tensor:
        """How much a squared error in linear light is in levels² of developed colours, (B, 1, H, W).

        It is nearly the inverse of the variance, up to a factor: sRGB's curve has its slope from the eye,
        to which noise matters as it does to a counter of light.
        """
        seen = self.expected.clamp(_BEND, 1)
        slope = torch.where(self.expected < _BEND, _STEEP, _FACTOR * seen**_POWER)
        return (_LEVELS * slope).square()

    @property
    def level(self) -> Tensor:
        """Mean variance of the noise in levels² where clipping does not bend it, (B,)."""
        weight = self.weight * self.is_whole
        return (weight * self.variance).sum((1, 2, 3)) / (weight > 0).sum((1, 2, 3)).clamp(min=1)

    def split(self, share: float, generators: Sequence[torch.Generator]) -> Split:
        """Splits the crops.

        Args:
            share: t. At 1 the network sees √2 times the noise; the less it is, the nearer is what the
                network sees to the photo, and the noisier is what its answer is compared with.
            generators: Random generator of each crop, on its device.
        """
        is_whole, variance = self.is_whole, self.variance
        more = white_noise(self.light.shape[1:], generators) * variance.sqrt() * is_whole
        return Split(
            given=self.light + share * more,
            told=self.noise * (1 + share**2),
            target=self.light - more / share,
            weight=self.weight * is_whole,
            known=variance + (more / share).square(),
        )


@dataclass(frozen=True, eq=False)
class Split:
    """Two mosaics of the same scene with independent noise.

    Attributes:
        given: (B, 1, H, W) for the network.
        told: (B, 2, 4) its noise.
        target: (B, 1, H, W) to compare its answer with.
        weight: (B, 1, H, W), from linear light to levels²; 0 where clipping bends the noise.
        known: (B, 1, H, W) squares of the noise of the target: of the photo's own part the variance, of what
            was drawn the square itself, so that the variance need not be known as well.
    """

    given: Tensor
    told: Tensor
    target: Tensor
    weight: Tensor
    known: Tensor

    def __len__(self) -> int:
        """Number of crops B."""
        return len(self.given)

    def parts(self, sizes: list[int]) -> list[Split]:
        """Parts of so many crops each."""
        columns = (self.given, self.told, self.target, self.weight, self.known)
        parts = zip(*(torch.split(column, sizes) for column in columns), strict=True)
        return [Split(*part) for part in parts]

    def error(self, predicted: Tensor) -> Tensor:
        """Estimates the squared error of the network's answers at each site's own colour.

        Args:
            predicted: (B, 3, H, W) linear, white-balanced.

        Returns:
            (B,) mean squared error in levels² of developed colours. Chance may bring it below 0.
        """
        squares = (own_colours(predicted) - self.target).square() - self.known
        return (self.weight * squares).sum((1, 2, 3)) / (self.weight > 0).sum((1, 2, 3)).clamp(min=1)


def own_colours(pictures: Tensor) -> Tensor:
    """What an RGGB mosaic keeps of pictures (B, 3, H, W), (B, 1, H, W)."""
    height, width = pictures.shape[-2:]
    masks = bayer_masks(height, width, [(0, 0)], pictures.device)
    return (pictures * masks).sum(1, keepdim=True)


def _at_sites(values: Tensor, like: Tensor) -> Tensor:
    """Repeats values of the four sites of a cell (B, 4) over pictures, (B, 1, H, W)."""
    height, width = like.shape[-2:]
    return values.view(-1, 1, 2, 2).repeat(1, 1, height // 2, width // 2)
