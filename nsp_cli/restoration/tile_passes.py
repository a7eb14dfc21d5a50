"""Passes a photo through a network in tiles, and puts their cores together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nsp_cli.device import begin_fetch
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.execution import Execution
from nsp_cli.tiling.grid import Tile, TileGrid
from nsp_cli.tiling.pixels import begin_paste, cut_map, read_tile
from nsp_cli.tiling.runner import Finish, run_tiles

# Maps a (B, 3, h, w) tile, and its part of the noise map if the network takes one, to a (B, 3, t·h, t·w)
# prediction.
Predict = Callable[..., Tensor]


def run_in_tiles(
    process: Predict,
    grid: TileGrid,
    tiles: Sequence[Tile],
    noisy: Tensor,
    noise: NoiseMap | None,
    result: Tensor,
    execution: Execution,
    *,
    on_progress: OnProgress | None,
) -> None:
    """Writes what `process` predicts for a photo.

    Args:
        process: Maps what a tile reads.
        grid, tiles: The tiles that cover the photo.
        noisy: (C, H, W).
        noise: The photo's noise map for a network that takes one.
        result: (3, t·H, t·W), written into.
        execution: Where and how the network runs.
        on_progress: Called with the photo's pixels done and in total.

    Raises:
        DeviceError: The smallest tile does not fit in memory, or the result is not finite.
    """
    _, height, width = noisy.shape
    scale, done = result.shape[2] // width, 0

    def begin(tile: Tile, precision: torch.dtype) -> Finish:
        predicted = _predicted(process, noisy, noise, tile, execution.device, precision)
        is_finite = begin_fetch(predicted.isfinite().all())
        paste = begin_paste(result, tile, predicted, scale)

        def finish() -> bool:
            if is_usable := bool(is_finite()):
                paste()
            return is_usable

        return finish

    def count(tile: Tile) -> None:
        nonlocal done
        done += tile.core_pixels
        if on_progress:
            on_progress(done, height * width)

    run_tiles(grid, tiles, begin, device=execution.device, precision=execution.precision, on_done=count)


@torch.inference_mode()
def _predicted(
    process: Predict,
    noisy: Tensor,
    noise: NoiseMap | None,
    tile: Tile,
    device: torch.device,
    precision: torch.dtype,
) -> Tensor:
    read = read_tile(noisy, tile, device)
    given = [] if noise is None else [cut_map(noise.bands, tile, device)[None]]
    enabled = precision is not torch.float32
    with torch.autocast(device.type, precision if enabled else None, enabled=enabled):
        return process(read, *given)[0].float()
