"""The empirical Wiener filter of detail recovery, in overlapping 16×16 DCT blocks, and its tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, pairwise

import torch
from torch import Tensor

from nsp_cli.ops.block_dct import BlockDct
from nsp_cli.resources import parts_at_once, side_by_side
from nsp_cli.tiling.grid import Tile, TileGrid
from nsp_cli.tiling.pixels import begin_paste

# Side of a DCT block.
FILTER_SIDE = 16
# Pixels that a filtered pixel depends on: its blocks start up to 15 pixels away, and their gain depends on
# the blocks 8 further.
REACH = 24
# Side of a tile's core. On a GPU a tile takes about 400 MB.
_CORE_ON_CPU, _CORE_ON_GPU = 512, 1024


def wiener_filter(planes: Tensor, threshold: Tensor, *, keep_mean: bool = False) -> Tensor:
    """Applies an empirical Wiener filter: a coefficient loses the share of `threshold` in its local power.

    Args:
        planes: (3, H, W).
        threshold: (3, rows, 16, columns, 16) power; rows and columns may be 1.
        keep_mean: Whether the blocks' means stay as they are.
    """
    blocks = BlockDct(FILTER_SIDE)
    coefficients = blocks.forward(planes)
    local = _mean_of_nine(coefficients).clamp_(min=1e-12)
    gain = torch.addcdiv(local.new_ones(()), threshold, local, value=-1).clamp_(min=0)
    if keep_mean:
        gain[:, :, 0, :, 0] = 1
    return blocks.inverse(coefficients.mul_(gain), *planes.shape[-2:])


def _mean_of_nine(coefficients: Tensor) -> Tensor:
    """Mean power of every block and its neighbours, (3, rows, 16, columns, 16).

    Past the edges, the blocks at the edges count twice. Sums of slices are faster here than pooling.
    """
    planes, rows, side, columns, _ = coefficients.shape
    power = coefficients.new_empty(planes, rows + 2, side, columns + 2, side)
    torch.square(coefficients, out=power[:, 1:-1, :, 1:-1])
    power[:, 0], power[:, -1] = power[:, 1], power[:, -2]
    power[:, :, :, 0], power[:, :, :, -1] = power[:, :, :, 1], power[:, :, :, -2]
    upright = (power[:, :-2] + power[:, 1:-1]).add_(power[:, 2:])
    return (upright[:, :, :, :-2] + upright[:, :, :, 1:-1]).add_(upright[:, :, :, 2:]).div_(9)


def in_tiles(result: Tensor, halo: int, device: torch.device, process: Callable[[Tile], Tensor]) -> None:
    """Fills `result` tile by tile; `process` makes that of a tile with a halo of so many pixels."""
    height, width = result.shape[-2:]
    core, parts = (_CORE_ON_CPU, parts_at_once()) if device.type == "cpu" else (_CORE_ON_GPU, 1)
    tiles = TileGrid(height, width, halo, step=FILTER_SIDE // 2).plan(core)
    side_by_side([partial(_fill, result, tiles[part::parts], process) for part in range(parts)])


def _fill(result: Tensor, tiles: Sequence[Tile], process: Callable[[Tile], Tensor]) -> None:
    def begin(tile: Tile) -> Callable[[], None]:
        return begin_paste(result, tile, process(tile))

    begun = map(begin, tiles)
    # A CUDA GPU works on a tile while the tile before it is written.
    for paste, _ in pairwise(chain(begun, [None])):
        if paste:
            paste()
