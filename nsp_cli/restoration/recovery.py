"""Detail recovery after a network that sees every pixel: takes out the noise that it left.

Such networks keep the detail themselves, but leave a little coarse noise: it is wider than what they learned
to see at once. The filter is an empirical Wiener filter (`wiener`), which goes beyond the paper
(.github/docs/method.md, step 8). It knows the noise of each place from the noise map. What blind-spot
networks need is in `blind_spot_recovery`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.noise.constants import CONSTANTS, QualityConstants
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.bands import BANDS
from nsp_cli.ops.block_dct import from_luma_chroma, to_luma_chroma
from nsp_cli.restoration.wiener import FILTER_SIDE, REACH, in_tiles, wiener_filter
from nsp_cli.tiling.grid import Tile
from nsp_cli.tiling.pixels import cut_map, cut_tile


def remove_leftover(
    prediction: Tensor,
    noise: NoiseMap,
    *,
    constants: QualityConstants = CONSTANTS,
    device: torch.device | None = None,
) -> Tensor:
    """Removes the noise that a network left in its prediction.

    Every block sees all it needs, so tiles leave no trace.

    Args:
        prediction: (3, H, W) uint8, uint16 or float in [0, 1].
        noise: The photo's noise map, times the strength.
        constants: Thresholds.
        device: Where to filter blocks; None for the CPU. Pictures stay in main memory.

    Returns:
        (3, H, W) of the type of `prediction`.

    Raises:
        torch.OutOfMemoryError: The device has too little memory for a tile.
    """
    device, result = device or torch.device("cpu"), torch.empty_like(prediction)
    luma = constants.seeing_coarse_luma, constants.seeing_luma, constants.seeing_luma
    factors = torch.tensor([luma, (constants.seeing_chroma,) * 3, (constants.seeing_chroma,) * 3])

    def process(tile: Tile) -> Tensor:
        power = _block_power(cut_map(noise.bands, tile, device))
        planes = to_luma_chroma(cut_tile(prediction, tile=tile, device=device))
        return from_luma_chroma(wiener_filter(planes, _threshold(power, factors), keep_mean=True))

    in_tiles(result, REACH, device, process)
    return result


def _block_power(bands: Tensor) -> Tensor:
    """Noise power of every block by plane and band, (3, 3, rows, columns), from a (6, h, w) noise map."""
    # A block covers two by two cells; the first and the last begin outside.
    padded = functional.pad(bands.square()[None], (1, 1, 1, 1), mode="replicate")
    power = functional.avg_pool2d(padded, 2, 1)[0]
    return torch.stack([power[:3], power[3:], power[3:]])


def _threshold(power: Tensor, factors: Tensor) -> Tensor:
    """Power for each coefficient of every block, (3, rows, 16, columns, 16)."""
    masks = torch.stack([band.mask(FILTER_SIDE) for band in BANDS]).float()
    bands = masks.view(-1, FILTER_SIDE, FILTER_SIDE)
    bands[0, 0, 0] = 1  # the mean of a block is coarse
    scaled = power * to_device(factors, power.device)[..., None, None]
    by_row = to_device(bands.transpose(0, 1).contiguous(), power.device)
    return torch.matmul(scaled.permute(0, 2, 3, 1)[:, :, None], by_row)
