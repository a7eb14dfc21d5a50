"""Detail recovery after a blind-spot network: returns the detail that it lost, and takes out its blotches.

Two empirical Wiener filters (`wiener`), which go beyond the paper (.github/docs/method.md, step 8). The first
passes the part of (noisy − prediction) that exceeds the noise: texture that a blind-spot network cannot
predict. The second removes leftover correlated noise, which such networks pass on as blotches. Both measure
the noise in the flattest places of the whole photo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.believable import most_luma
from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.noise.flat_blocks import flat_power
from nsp_cli.ops.bands import COARSE, Band, frequencies
from nsp_cli.ops.block_dct import from_luma_chroma, lattice_coefficients, to_luma_chroma
from nsp_cli.restoration.strength import Strength
from nsp_cli.restoration.wiener import FILTER_SIDE, REACH, in_tiles, wiener_filter
from nsp_cli.tiling.grid import Tile
from nsp_cli.tiling.pixels import cut_tile

# Blocks that statistics are taken from, about.
_LATTICE = 8_000

# Threshold of the first filter, for luma and both chroma planes, in units of noise power. It is far above 1
# because it is compared with a local mean of few blocks; chroma detail is rarely worth its blotches.
_KEEP_ABOVE = (7.0, 28.0, 28.0)
# Share of blocks that counts as flat in the residual, and in the first filter's result.
_FLAT_RESIDUAL, _FLAT_RESULT = 0.2, 0.1
# Frequencies whose mean power is the least threshold at every frequency.
_LOW = Band(0.9, 3.0)
# Luma power is divided by this power of its excess over the believable level.
_DISTRUST = 8

# Bounds on leftover luma: a share of the residual's power, or a multiple of its middle band where coarse.
# In a photo without a flat region, texture would pass for leftover noise.
_LEFT, _LEFT_COARSE = 0.5, 1.5
# The middle band for that, without its highest frequencies (4.5 to 4.6).
_LEFT_MIDDLE = Band(COARSE.high, 4.5)
# Threshold of the second filter in units of leftover power, and level of luma grain that stays because skin
# without grain looks like plastic; as a share of the removed noise, at most.
_REMOVE_BELOW, _GRAIN, _MOST_GRAIN = (1.8, 7.0, 7.0), 0.2 / 255, 0.3


def recover_detail(
    noisy: Tensor,
    prediction: Tensor,
    profile: NoiseProfile,
    strength: Strength,
    *,
    device: torch.device | None = None,
) -> Tensor:
    """Makes the denoised picture from a photo and a blind-spot network's prediction of it.

    Statistics come from the whole photo and every block sees all it needs, so tiles leave no trace.

    Args:
        noisy: (3, H, W) uint8, uint16 or float in [0, 1].
        prediction: (3, H, W), any of these types.
        profile: Estimated noise of the noisy photo.
        strength: How much to remove; below 1 it counts as 1.
        device: Where to filter blocks; None for the CPU. Pictures stay in main memory.

    Returns:
        (3, H, W) of the type of `noisy`.

    Raises:
        torch.OutOfMemoryError: The device has too little memory for a tile.
    """
    device, wanted = device or torch.device("cpu"), strength.at_least_one
    boost = torch.tensor([wanted.luma, wanted.chroma, wanted.chroma]).square()[:, None]
    residual = _believable(_residual_power(noisy, prediction), profile)
    halfway = _with_detail(noisy, prediction, _threshold(residual, _KEEP_ABOVE) * boost, device)
    left = torch.minimum(flat_power(_coefficients(halfway), _FLAT_RESULT)[0], _most_left(residual))
    threshold = _everywhere(_threshold(left, _REMOVE_BELOW) * boost, device)
    grain = min(_MOST_GRAIN, _GRAIN / max(profile.luma, 1e-6)) * (2 - wanted.luma)
    result = torch.empty_like(noisy)
    in_tiles(result, REACH, device, partial(_rest_removed, noisy, halfway, threshold, grain, device))
    return result


def _with_detail(noisy: Tensor, prediction: Tensor, threshold: Tensor, device: torch.device) -> Tensor:
    # float16 is accurate to 1/2000: enough for 8 bits at half the memory, too coarse for 16 bits.
    halfway = torch.empty(noisy.shape, dtype=torch.float16 if noisy.dtype == torch.uint8 else torch.float32)
    everywhere = _everywhere(threshold, device)

    def process(tile: Tile) -> Tensor:
        given, predicted = (cut_tile(one, tile=tile, device=device) for one in (noisy, prediction))
        return predicted + from_luma_chroma(wiener_filter(to_luma_chroma(given - predicted), everywhere))

    in_tiles(halfway, REACH, device, process)
    return halfway


def _rest_removed(
    noisy: Tensor, halfway: Tensor, threshold: Tensor, grain: float, device: torch.device, tile: Tile
) -> Tensor:
    cut = partial(cut_tile, tile=tile, device=device)
    planes = wiener_filter(to_luma_chroma(cut(halfway)), threshold, keep_mean=True)
    planes[0] += grain * (to_luma_chroma(cut(noisy))[0] - planes[0])
    return from_luma_chroma(planes)


def _everywhere(threshold: Tensor, device: torch.device) -> Tensor:
    """(3, 256) power for the blocks of all places."""
    return to_device(threshold, device).view(-1, 1, FILTER_SIDE, 1, FILTER_SIDE)


def _coefficients(image: Tensor) -> Tensor:
    return lattice_coefficients(image, FILTER_SIDE, most=_LATTICE)[0]


def _residual_power(noisy: Tensor, prediction: Tensor) -> Tensor:
    return flat_power(_coefficients(noisy) - _coefficients(prediction), _FLAT_RESIDUAL)[0]


def _believable(residual: Tensor, profile: NoiseProfile) -> Tensor:
    """Reduces luma power where the photo's chroma noise shows that it is texture; changes `residual`.

    It falls below the believable level: regions that are not flat show nothing of the noise.
    """
    excess = residual[0].mean().sqrt() / most_luma(profile)
    residual[0] /= excess.clamp(min=1).pow(_DISTRUST)
    return residual


def _threshold(power: Tensor, factors: Sequence[float]) -> Tensor:
    """(3, K) power, at least that of its low frequencies, times a factor for each plane.

    JPEG and cameras smooth fine noise away where the photo is flat. They leave it on texture, where it
    cannot be measured.
    """
    least = power[:, _LOW.mask(FILTER_SIDE)].mean(1, keepdim=True)
    return torch.maximum(power, least) * torch.tensor(factors)[:, None]


def _most_left(residual: Tensor) -> Tensor:
    """Most power that may be leftover noise, (3, 256).

    Chroma is not bounded: it has little texture, but blotches so large that the network keeps them.
    """
    most = _LEFT * residual[0]
    middle = residual[0, _LEFT_MIDDLE.mask(FILTER_SIDE)].mean()
    is_coarse = frequencies(FILTER_SIDE) < COARSE.high
    luma = torch.where(is_coarse, torch.maximum(most, _LEFT_COARSE * middle), most)
    return torch.stack([luma, *torch.full((2, len(luma)), math.inf)])
