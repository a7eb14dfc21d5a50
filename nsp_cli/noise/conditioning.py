"""A photo's noise in six numbers: what the student network is told."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.noise.estimation import BLOCK_SIDE, NoiseProfile, noise_bands, ramp
from nsp_cli.ops.block_dct import dct_kernels, to_luma_chroma

# Coarse luma over middle, and middle over what chroma makes believable: real pairs stay about below.
_MOST_COARSE, _MOST_MIDDLE = 1.5, 1.8
# Most that is added for a camera's smoothing; and from which excess on, and how steeply, luma is ignored.
_MOST_SMOOTHED, _ABSURD, _DISTRUST = 0.65, 1.9, 4
# The slope from which on all bands are told in part, where none of it would be noise, and the least part.
_ALL_NOISE, _ALL_SCENE, _LEAST_SHARE = 2.6, 5.5, 0.5
# The same of anisotropy: the seven of 74 camera photos above 2 show a skyscraper, a roof, rigging and so on.
_ISOTROPIC, _UPRIGHT, _LEAST_UPRIGHT = 2.0, 2.4, 0.2


def bands_of_residual(residual: Tensor) -> Tensor:
    """Returns the (…, 6) `noise_bands` of (…, 3, H, W) noise itself, where that is known."""
    planes = to_luma_chroma(residual.movedim(-3, 0)).movedim(0, -3)
    kernels = to_device(dct_kernels(BLOCK_SIDE), residual.device)
    coefficients = functional.conv2d(planes.reshape(-1, 1, *planes.shape[-2:]), kernels, stride=BLOCK_SIDE)
    return noise_bands(coefficients.square().mean((2, 3)).view(*planes.shape[:-2], BLOCK_SIDE, BLOCK_SIDE))


def noise_conditioning(profile: NoiseProfile, *, luma: float = 1.0, chroma: float = 1.0) -> Tensor:
    """Returns what a student is told of a photo's noise.

    Args:
        profile: What was measured.
        luma, chroma: How many times as strong it is to take the noise; below 1 nothing changes.

    Returns:
        (6,) as `noise_bands`.
    """
    bands = noise_bands(profile.spectrum)
    # A gentle gradient has coarse luma too.
    bands[0] = torch.minimum(bands[0], _MOST_COARSE * bands[1])
    # Cameras smooth most where a photo is flattest, and there it is measured; white noise was not smoothed.
    bands *= 1 + (1 - bands[2] / bands[1].clamp(min=1e-9)).clamp(0, _MOST_SMOOTHED)
    # A lawn has every mark of noise but colour: doubtful luma is capped, and where nothing fits, ignored.
    excess = bands[1] / max(_MOST_MIDDLE * profile.most_luma, 1e-9)
    bands[:3] /= excess.clamp(min=1) * (excess / _ABSURD).clamp(min=1).pow(_DISTRUST)
    # In a photo without a flat place up to half of what is left is the scene's.
    bands *= max(_LEAST_SHARE, ramp(profile.slope, _ALL_SCENE, _ALL_NOISE))
    # Edges of what people build run along rows and columns, noise in all directions alike.
    bands *= max(_LEAST_UPRIGHT, ramp(profile.anisotropy, _UPRIGHT, _ISOTROPIC))
    return bands * torch.tensor([max(1.0, luma)] * 3 + [max(1.0, chroma)] * 3)
