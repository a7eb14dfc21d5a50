"""Measures a photo's noise on the photo itself: level by brightness, spectrum, spatial correlation.

Noise shows where the scene does not: in the flattest regions. Blocks picked because they look flat
would look flatter than they are, so each half of the DCT coefficients (the colours of a chessboard)
is measured on blocks that the other half has picked: texture is in both halves, noise differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.flat_blocks import flat_power, frequencies
from nsp_cli.ops.block_dct import dct_kernels, from_luma_chroma, lattice_coefficients

BLOCK_SIDE = 8
# Below this there is nothing to see: rounding to 8 bits alone makes 0.29, on a gradient up to 0.7.
CLEAN = 0.7 / 255

_BINS = 8
_FLATTEST = 0.1
# A range of brightness that holds nothing but texture would seem noisy; this many times the median
# bin's power is more than shot noise does after a tone curve.
_STEEPEST = 3.0
_CLIPPED = 2 / 255
_FINE = 2.5
# Polynomial of the chroma level: cameras and phones stay below, by pictures whose noise is known.
_LUMA_BY_CHROMA = (2.2 / 255, 1.3, 0.025 * 255)
# Texture rises towards coarse frequencies, noise hardly does. Of 91 photos of cameras and phones, those whose
# luma exceeds that show noise where the slope is below 2, and leaves, lawn and wood where it is above 2.1.
_TEXTURE, _NOISE = 2.1, 1.7
# Between coarse, middle and fine frequencies.
_EDGES = (2.3, 4.6)


def ramp(value: float, at_zero: float, at_one: float) -> float:
    """Returns 0 to 1, by where a value lies between two others."""
    return min(1.0, max(0.0, (value - at_zero) / (at_one - at_zero)))


def noise_bands(spectrum: Tensor) -> Tensor:
    """Sums a spectrum up.

    Args:
        spectrum: (…, 3, 8, 8) variance of each DCT coefficient, in luma and the two chroma planes, as
            `NoiseProfile.spectrum`.

    Returns:
        (…, 6) standard deviation per coefficient where white is 1: coarse, middle and fine luma, then
        the same of chroma. White noise has the same in all.
    """
    power, masks = spectrum.flatten(-2), _band_masks().float()
    # (…, 3 planes, 3 bands)
    bands = power @ to_device(masks / masks.sum(0), power.device)
    luma, chroma = bands[..., 0, :], bands[..., 1:, :].mean(-2)
    return torch.cat([luma, chroma], dim=-1).clamp(min=0).sqrt()


def _band_masks() -> Tensor:
    """Returns (64, 3): which coefficients are coarse, middle and fine; DC is none."""
    frequency = frequencies(BLOCK_SIDE)
    fine, coarse = frequency >= _EDGES[1], (frequency > 0) & (frequency < _EDGES[0])
    return torch.stack([coarse, ~fine & (frequency >= _EDGES[0]), fine], dim=1)


@dataclass(frozen=True, eq=False)
class NoiseProfile:
    """A photo's noise; levels are standard deviations where white is 1.

    Attributes:
        brightness: (B,) mean brightness of each bin in [0, 1], rising.
        levels: (3, B) of red, green and blue.
        spectrum: (3, 8, 8) variance of each DCT coefficient of 8×8 blocks, in luma and the two
            chroma planes; DC cannot be told from the scene and is extrapolated.
        anisotropy: The level of middle luma along rows and columns over that of slanting waves, median of
            the bins, a sensor's banding left out: 1 to 2 of noise, up to 4 where a building's or print's
            edges are everywhere.
    """

    brightness: Tensor
    levels: Tensor
    spectrum: Tensor
    anisotropy: float

    @property
    def luma(self) -> float:
        """The level in luma."""
        return float(self.spectrum[0].mean().sqrt())

    @property
    def chroma(self) -> float:
        """The level in chroma, mean of both planes."""
        return float(self.spectrum[1:].mean().sqrt())

    @property
    def fine_luma(self) -> float:
        """The level in luma that the finer half of frequencies would make alone, were noise white.

        Texture that is taken for noise has little there, so this tells strong noise more surely.
        """
        return float(self.spectrum[0].flatten()[frequencies(BLOCK_SIDE) >= _FINE].mean().sqrt())

    @property
    def most_luma(self) -> float:
        """The highest level of luma noise that the noise in chroma makes believable.

        A lawn fills a photo with texture that has every mark of noise but colour. Sensors make
        both kinds; cameras smooth chroma more, which the constant allows for.
        """
        is_grey = self.chroma < 0.05 / 255
        believable = sum(k * self.chroma**n for n, k in enumerate(_LUMA_BY_CHROMA))
        return math.inf if is_grey else believable * (1 + ramp(self.slope, _TEXTURE, _NOISE))

    @property
    def slope(self) -> float:
        """Is the level of coarse luma over that of middle luma: 1 to 2 of noise, 3 to 6 of texture."""
        coarse, middle = noise_bands(self.spectrum)[:2]
        return float(coarse / middle.clamp(min=1e-6))

    @property
    def is_clean(self) -> bool:
        """Whether there is no noise to see. Coarse luma does not count: a clean sky's gradient has it."""
        return self.fine_luma < CLEAN and self.chroma < 4 * CLEAN

    def autocorrelation(self, plane: int = 0) -> Tensor:
        """Returns (8, 8): the correlation of noise so many rows and columns apart; [0, 0] is 1.

        Args:
            plane: 0 for luma, 1 or 2 for chroma.
        """
        basis = dct_kernels(BLOCK_SIDE)[:, 0]
        covariance = torch.einsum("k,kij,kmn->ijmn", self.spectrum[plane].flatten(), basis, basis)
        lags = [[_mean_at_lag(covariance, dy, dx) for dx in range(BLOCK_SIDE)] for dy in range(BLOCK_SIDE)]
        correlation = torch.tensor(lags)
        return correlation / correlation[0, 0].clamp(min=1e-12)

    def correlation_length(self, plane: int = 0) -> float:
        """Returns how many pixels apart correlation along rows and columns is 1/e; 0 without noise."""
        if self.spectrum[plane].mean() < CLEAN**2 / 100:
            return 0.0
        lags = self.autocorrelation(plane)
        along = ((lags[0] + lags[:, 0]) / 2).tolist()
        for distance in range(1, BLOCK_SIDE):
            before, here = along[distance - 1], along[distance]
            if here < math.exp(-1):
                return float(distance - 1 + (before - math.exp(-1)) / (before - here))
        return float(BLOCK_SIDE)


def _mean_at_lag(covariance: Tensor, dy: int, dx: int) -> float:
    rows, columns = torch.arange(BLOCK_SIDE - dy)[:, None], torch.arange(BLOCK_SIDE - dx)[None]
    return float(covariance[rows, columns, rows + dy, columns + dx].mean())


def estimate_noise(photo: Tensor) -> NoiseProfile:
    """Measures the noise on the flattest tenth of the photo's blocks, in every range of brightness.

    Args:
        photo: (3, H, W) uint8, uint16 or float in [0, 1].
    """
    coefficients, clipped = lattice_coefficients(photo, BLOCK_SIDE, clipped_below=_CLIPPED)
    usable = ~clipped if bool((~clipped).any()) else torch.ones_like(clipped)
    # DC of a block's luma is its mean, times √3 for the basis and times the side for the DCT.
    brightness = coefficients[0, 0] / (BLOCK_SIDE * 3**0.5)
    groups = _bins_of(brightness, usable)
    powers = flat_power(coefficients, _FLATTEST, groups)
    plausible = _plausible(powers.sum((1, 2)))[:, None, None]
    # Not turned back from luma and chroma power: their noise is correlated where channels differ.
    channels = flat_power(from_luma_chroma(coefficients), _FLATTEST, groups)
    return NoiseProfile(
        brightness=torch.stack([brightness[group].mean() for group in groups]),
        levels=(channels * plausible).mean(2).sqrt().T,
        spectrum=(powers * plausible).mean(0).view(3, BLOCK_SIDE, BLOCK_SIDE),
        anisotropy=_anisotropy(flat_power(_without_banding(coefficients[:1]), _FLATTEST, groups)[:, 0]),
    )


def _bins_of(brightness: Tensor, usable: Tensor) -> list[Tensor]:
    """Splits the usable blocks by brightness into at most eight masks of about equal size."""
    ranks = brightness.masked_fill(~usable, math.inf).flatten().argsort()
    ranks = ranks[: int(usable.sum())]
    groups = []
    for part in ranks.tensor_split(min(_BINS, max(1, len(ranks) // 100))):
        group = torch.zeros(brightness.numel(), dtype=torch.bool)
        group[part] = True
        groups.append(group.view_as(brightness))
    return groups


def _without_banding(coefficients: Tensor) -> Tensor:
    """Takes out of (C, 64, rows, columns) what all of a row or of a column of blocks have in common.

    A sensor's banding is the same from edge to edge, what a scene has along rows or columns is not.
    """
    place, left = torch.arange(BLOCK_SIDE**2), coefficients.clone()
    for is_even, axis in ((place % BLOCK_SIDE == 0, 3), (place < BLOCK_SIDE, 2)):
        left[:, is_even] -= left[:, is_even].median(axis, keepdim=True).values
    return left


def _anisotropy(luma: Tensor) -> float:
    """Compares the (B, 64) power of upright and slanting waves."""
    place, is_middle = torch.arange(BLOCK_SIDE**2), _band_masks()[:, 1]
    is_upright = (place < BLOCK_SIDE) | (place % BLOCK_SIDE == 0)
    upright, slanting = (luma[:, is_middle & kind].mean(1) for kind in (is_upright, ~is_upright))
    return float((upright / slanting.clamp(min=1e-12)).sqrt().median())


def _plausible(totals: Tensor) -> Tensor:
    """Returns what each bin's power is multiplied with, so that no bin towers over the others."""
    return (totals.median() * _STEEPEST / totals.clamp(min=1e-12)).clamp(max=1)
