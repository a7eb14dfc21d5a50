"""Runs the bundled noise estimator over a photo in tiles."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import begin_fetch
from nsp_cli.networks import NetworkSpec
from nsp_cli.networks.base import CELL, CONDITIONING_SIZE
from nsp_cli.networks.noise_map import NoiseMapNetwork
from nsp_cli.networks.unet import from_planes
from nsp_cli.noise.conditioning import NEIGHBOURHOOD
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.restoration.execution import Execution
from nsp_cli.tiling.grid import Span, Tile, TileGrid
from nsp_cli.tiling.pixels import cut_tile, pad_bottom_right
from nsp_cli.tiling.runner import Finish, run_tiles
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve

# Side of a tile's core where the execution does not name one.
_CORE = 1024
# Rows of cells that are answered at a time.
_STRIP = 64


def map_noise(photo: Tensor, execution: Execution | None = None) -> NoiseMap:
    """Estimates how noisy each place of a photo is.

    Tiles give the features of their cells; the sums over all cells and the answers follow at the end, in
    the photo's main memory. So the result does not depend on the tiles. A photo in which
    scene and noise together are fainter than noise that one sees counts as clean.

    Args:
        photo: (3, H, W) uint8, uint16 or float in [0, 1].
        execution: Where and how the estimator runs; None for the CPU.

    Raises:
        WeightsError: The bundled estimator is damaged.
        DeviceError: The smallest tile does not fit in memory, or the result is not finite.
    """
    execution = execution or Execution(torch.device("cpu"), torch.float32)
    features = _features(photo, execution)
    network, _ = _estimator(torch.device("cpu"))
    strips = torch.split(features[None], _STRIP, dim=2)
    with torch.inference_mode():
        sums = torch.stack([network.sums(strip) for strip in strips]).sum(0)
        quantiles = network.levels(features[None])
        planes = torch.cat([network.answer(strip.float(), sums, quantiles)[0] for strip in strips], dim=1)
    levels = from_planes(planes)
    visible = NoiseMap(torch.minimum(levels, _all_there_is(features)))
    return visible if visible.is_clean else NoiseMap(levels)


def _all_there_is(features: Tensor) -> Tensor:
    """Levels of scene and noise together about each cell, (6, rows, columns). No noise exceeds them."""
    power = from_planes(features[-CONDITIONING_SIZE:].float()).square()[None]
    # As the map that the network learned from: the mean over a neighbourhood of cells.
    near = functional.avg_pool2d(power, NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2, count_include_pad=False)
    return near[0].sqrt()


def _features(photo: Tensor, execution: Execution) -> Tensor:
    """What the network sees in each cell of a photo, (C, rows, columns) float16."""
    network, spec = _estimator(execution.device)
    _, height, width = photo.shape
    grid = TileGrid(height, width, spec.radius, step=CELL)
    # Half as much memory, and accurate to a two-thousandth.
    features = torch.empty(network.seen, -(-height // CELL), -(-width // CELL), dtype=torch.float16)

    def begin(tile: Tile, precision: torch.dtype) -> Finish:
        seen = _see(network, photo, tile, execution.device, precision)
        is_finite, fetched = begin_fetch(seen.isfinite().all()), begin_fetch(seen)

        def finish() -> bool:
            features[:, _cells(tile.rows), _cells(tile.columns)] = fetched()
            return bool(is_finite())

        return finish

    run_tiles(
        grid,
        grid.plan(execution.core or _CORE),
        begin,
        device=execution.device,
        precision=execution.precision,
        on_done=lambda _: None,
    )
    return features


@torch.inference_mode()
def _see(
    network: NoiseMapNetwork, photo: Tensor, tile: Tile, device: torch.device, precision: torch.dtype
) -> Tensor:
    """Features of the core's cells, (C, rows, columns) float16."""
    rows, columns = tile.rows, tile.columns
    size = rows.read_stop - rows.read_start, columns.read_stop - columns.read_start
    read = pad_bottom_right(cut_tile(photo, tile, device)[None], *size)
    read = read.contiguous(memory_format=torch.channels_last)
    enabled = precision is not torch.float32
    with torch.autocast(device.type, precision if enabled else None, enabled=enabled):
        features = network.features(read)[0].half()
    return features[:, _cells(rows, rows.read_start), _cells(columns, columns.read_start)]


def _cells(span: Span, first: int = 0) -> slice:
    """Cells of a core, counted from the pixel `first`."""
    return slice((span.start - first) // CELL, -((first - span.stop) // CELL))


@lru_cache(maxsize=4)
def _estimator(device: torch.device) -> tuple[NoiseMapNetwork, NetworkSpec]:
    if device.type == "cuda":
        # Beside the picture, faint noise is below the accuracy of TF32.
        torch.backends.cudnn.allow_tf32 = False
    network, info = load_network(resolve("auto-noise").path)
    # The manifest's checksum says that this network is in the file.
    assert isinstance(network, NoiseMapNetwork)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, info.config.spec()
