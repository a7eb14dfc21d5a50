"""Noise conditioning: a photo's noise as the six numbers that a network takes as its second input."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.noise.estimation import BLOCK_SIDE, NoiseProfile, noise_bands, ramp
from nsp_cli.ops.block_dct import dct_kernels, to_luma_chroma

# Coarse over middle luma, at most: noise of real cameras stays about below.
_MOST_COARSE = 1.5
# Middle luma over the level that chroma makes believable, at most. More is capped to it.
_MOST_MIDDLE = 1.8
# Most that luma and chroma are raised to make up for a camera's smoothing, as a share.
_MOST_SMOOTHED = 0.65
# Excess of middle luma from which luma counts as texture, and the power with which it falls from there.
_ABSURD, _DISTRUST = 1.9, 4
# Slope up to which everything counts as noise, slope from which nothing would, and the least share kept.
_ALL_NOISE, _ALL_SCENE, _LEAST_SHARE = 2.6, 5.5, 0.5
# The same for anisotropy. Of 74 camera photos, seven exceed 2: they show a skyscraper, a roof, rigging…
_ISOTROPIC, _UPRIGHT, _LEAST_UPRIGHT = 2.0, 2.4, 0.2


def bands_of_residual(residual: Tensor) -> Tensor:
    """The (…, 6) `noise_bands` of (…, 3, H, W) noise itself, where the noise is known."""
    planes = to_luma_chroma(residual.movedim(-3, 0)).movedim(0, -3)
    kernels = to_device(dct_kernels(BLOCK_SIDE), residual.device)
    coefficients = functional.conv2d(planes.reshape(-1, 1, *planes.shape[-2:]), kernels, stride=BLOCK_SIDE)
    return noise_bands(coefficients.square().mean((2, 3)).view(*planes.shape[:-2], BLOCK_SIDE, BLOCK_SIDE))


def noise_conditioning(profile: NoiseProfile, *, luma: float = 1.0, chroma: float = 1.0) -> Tensor:
    """The conditioning of a network for a photo: its noise bands, corrected for what is not noise.

    Args:
        profile: The photo's estimated noise.
        luma, chroma: Factors that make the network remove more; factors below 1 change nothing.

    Returns:
        (6,) as `noise_bands`.
    """
    bands = noise_bands(profile.spectrum)
    # A gentle gradient has coarse luma too.
    bands[0] = torch.minimum(bands[0], _MOST_COARSE * bands[1])
    # Cameras smooth most where a photo is flattest, and there noise is measured. White noise is unsmoothed.
    bands *= 1 + (1 - bands[2] / bands[1].clamp(min=1e-9)).clamp(0, _MOST_SMOOTHED)
    # A lawn looks like noise in everything but colour. Doubtful luma is capped; absurd luma is ignored.
    excess = bands[1] / max(_MOST_MIDDLE * profile.most_luma, 1e-9)
    bands[:3] /= excess.clamp(min=1) * (excess / _ABSURD).clamp(min=1).pow(_DISTRUST)
    # In a photo without a flat region, up to half of what is left belongs to the scene.
    bands *= max(_LEAST_SHARE, ramp(profile.slope, _ALL_SCENE, _ALL_NOISE))
    # Edges of buildings run along rows and columns; noise runs in all directions alike.
    bands *= max(_LEAST_UPRIGHT, ramp(profile.anisotropy, _UPRIGHT, _ISOTROPIC))
    return bands * torch.tensor([max(1.0, luma)] * 3 + [max(1.0, chroma)] * 3)
