"""Noise that is known, in the bands in which networks are told noise."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.noise.estimation import BLOCK_SIDE, noise_bands
from nsp_cli.ops.block_dct import dct_kernels, to_luma_chroma

# Side in blocks of the neighbourhood in which a noise map is measured.
NEIGHBOURHOOD = 5


def bands_of_residual(residual: Tensor) -> Tensor:
    """The (…, 6) `noise_bands` of (…, 3, H, W) noise itself, where the noise is known."""
    power = _block_power(residual.reshape(-1, *residual.shape[-3:])).mean((1, 2))
    return noise_bands(power.view(*residual.shape[:-2], BLOCK_SIDE, BLOCK_SIDE))


def map_of_residual(residual: Tensor) -> Tensor:
    """The noise map of noise itself: what an estimator should answer, place by place.

    A single block holds too few coefficients of a band to tell its level, so power is averaged over a
    neighbourhood of blocks; at the edge over those that exist.

    Args:
        residual: (B, 3, H, W) noise; both sides multiples of 8.

    Returns:
        (B, 6, H / 8, W / 8) as `noise_bands`.
    """
    power = noise_bands(_block_power(residual)).square().movedim(-1, 1)
    near = functional.avg_pool2d(power, NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2, count_include_pad=False)
    return near.sqrt().contiguous()


def _block_power(residual: Tensor) -> Tensor:
    """Squared DCT coefficients of (B, 3, H, W) noise in 8×8 blocks, (B, H / 8, W / 8, 3, 8, 8)."""
    planes = to_luma_chroma(residual.movedim(1, 0)).movedim(0, 1)
    kernels = to_device(dct_kernels(BLOCK_SIDE), residual.device)
    power = functional.conv2d(planes.reshape(-1, 1, *planes.shape[-2:]), kernels, stride=BLOCK_SIDE).square()
    blocks = power.view(len(planes), 3, BLOCK_SIDE, BLOCK_SIDE, *power.shape[-2:])
    return blocks.permute(0, 4, 5, 1, 2, 3)
