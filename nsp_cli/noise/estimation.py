"""Noise estimation from the photo itself: level by brightness, spectrum, spatial correlation.

Noise shows where the scene does not: in the flattest regions. Blocks chosen because they look flat
would look flatter than they are. So the DCT coefficients are split like the colours of a chessboard,
and each half is measured on blocks that the other half chose: texture is in both halves, noise is
independent in each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.noise.flat_blocks import flat_power
from nsp_cli.ops.bands import BANDS, COARSE, frequencies
from nsp_cli.ops.block_dct import dct_kernels, from_luma_chroma, lattice_coefficients

# Side of the DCT blocks in which noise is described.
BLOCK_SIDE = 8
# Most bins of brightness, and the fewest blocks in one.
_BINS, _FEWEST_BLOCKS = 8, 100
# Share of a bin's blocks that counts as flat.
_FLATTEST = 0.1
# Power of a bin over the median bin's, at most. A bin that holds nothing but texture would look noisier
# than this, and shot noise after a tone curve stays below.
_STEEPEST = 3.0
# Distance from black and from white within which pixels count as clipped.
_CLIPPED = 2 / 255


def noise_bands(spectrum: Tensor) -> Tensor:
    """Noise levels in the bands of a spectrum.

    Args:
        spectrum: (…, 3, 8, 8) variance of each DCT coefficient, in luma and the two chroma planes, as
            `NoiseProfile.spectrum`.

    Returns:
        (…, 6) standard deviation per coefficient where white is 1: coarse, middle and fine luma, then
        the same for chroma. White noise has the same level in all bands.
    """
    power, masks = spectrum.flatten(-2), _band_masks().float()
    # (…, 3 planes, 3 bands)
    bands = power @ to_device(masks / masks.sum(0), power.device)
    luma, chroma = bands[..., 0, :], bands[..., 1:, :].mean(-2)
    return torch.cat([luma, chroma], dim=-1).clamp(min=0).sqrt()


def _band_masks() -> Tensor:
    """Masks of the coarse, middle and fine coefficients, (64, 3) bool."""
    return torch.stack([band.mask(BLOCK_SIDE) for band in BANDS], dim=1)


@dataclass(frozen=True, eq=False)
class NoiseProfile:
    """A photo's noise; levels are standard deviations where white is 1.

    Attributes:
        brightness: (B,) mean brightness of each bin in [0, 1], rising.
        levels: (3, B) levels of red, green and blue.
        spectrum: (3, 8, 8) variance of each DCT coefficient of 8×8 blocks, in luma and the two
            chroma planes. At DC, noise cannot be separated from the scene, so DC is extrapolated.
    """

    brightness: Tensor
    levels: Tensor
    spectrum: Tensor

    @property
    def luma(self) -> float:
        """Level in luma."""
        return float(self.spectrum[0].mean().sqrt())

    @property
    def chroma(self) -> float:
        """Level in chroma, mean of both planes."""
        return float(self.spectrum[1:].mean().sqrt())

    @property
    def fine_luma(self) -> float:
        """Level in luma without the coarse band.

        Texture that is mistaken for noise has little there, so this level shows strong noise more reliably.
        """
        return float(self.spectrum[0].flatten()[frequencies(BLOCK_SIDE) >= COARSE.high].mean().sqrt())

    @property
    def is_clean(self) -> bool:
        """Whether no noise is visible. Coarse luma does not count: a clean sky's gradient has it."""
        clean = CONSTANTS.clean / 255
        return self.fine_luma < clean and self.chroma * CONSTANTS.chroma_visibility < clean

    def autocorrelation(self, plane: int = 0) -> Tensor:
        """Correlation of the noise of two pixels by their distance in rows and columns, (8, 8); [0, 0] is 1.

        Args:
            plane: 0 for luma, 1 or 2 for chroma.
        """
        basis = dct_kernels(BLOCK_SIDE)[:, 0]
        covariance = torch.einsum("k,kij,kmn->ijmn", self.spectrum[plane].flatten(), basis, basis)
        lags = [[_mean_at_lag(covariance, dy, dx) for dx in range(BLOCK_SIDE)] for dy in range(BLOCK_SIDE)]
        correlation = torch.tensor(lags)
        return correlation / correlation[0, 0].clamp(min=1e-12)

    def correlation_length(self, plane: int = 0) -> float:
        """Distance in pixels at which correlation along rows and columns falls to 1/e; 0 without noise."""
        if self.spectrum[plane].mean() < (CONSTANTS.clean / 255) ** 2 / 100:
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
    """Estimates a photo's noise from the flattest tenth of its blocks, in each bin of brightness.

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
    # Measured, not derived from luma and chroma: where channels differ, those are correlated.
    channels = flat_power(from_luma_chroma(coefficients), _FLATTEST, groups)
    return NoiseProfile(
        brightness=torch.stack([brightness[group].mean() for group in groups]),
        levels=(channels * plausible).mean(2).sqrt().T,
        spectrum=(powers * plausible).mean(0).view(3, BLOCK_SIDE, BLOCK_SIDE),
    )


def _bins_of(brightness: Tensor, usable: Tensor) -> list[Tensor]:
    """Masks of the usable blocks in each bin of brightness, all bins of about equal size."""
    ranks = brightness.masked_fill(~usable, math.inf).flatten().argsort()
    ranks = ranks[: int(usable.sum())]
    groups = []
    for part in ranks.tensor_split(min(_BINS, max(1, len(ranks) // _FEWEST_BLOCKS))):
        group = torch.zeros(brightness.numel(), dtype=torch.bool)
        group[part] = True
        groups.append(group.view_as(brightness))
    return groups


def _plausible(totals: Tensor) -> Tensor:
    """Factors for each bin's power, so that no bin towers over the others."""
    return (totals.median() * _STEEPEST / totals.clamp(min=1e-12)).clamp(max=1)
