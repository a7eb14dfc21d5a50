"""Runs the bundled noise estimator over a photo, in tiles or row by row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import begin_fetch
from nsp_cli.networks import NetworkSpec
from nsp_cli.networks.base import CELL, CONDITIONING_SIZE
from nsp_cli.networks.noise_map import NoiseMapNetwork
from nsp_cli.networks.row_stream import CellStream, first_rows
from nsp_cli.networks.unet import from_planes
from nsp_cli.noise.conditioning import NEIGHBOURHOOD
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.resources import parts_at_once, side_by_side
from nsp_cli.restoration.execution import Execution
from nsp_cli.tiling.grid import Span, Tile, TileGrid
from nsp_cli.tiling.pixels import read_tile
from nsp_cli.tiling.runner import Finish, exact_instead_of, run_tiles
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve

_CPU = torch.device("cpu")
# Pixels of a strip on a CPU.
_STRIP_PIXELS = 400_000
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
    execution = execution or Execution(_CPU, torch.float32)
    # Rows need no halo, which tiles compute again; a GPU is faster with large tiles.
    is_in_rows = execution.core is None and execution.device.type == "cpu"
    features = _features_in_rows(photo, execution.precision) if is_in_rows else _features(photo, execution)
    network, _ = _estimator(_CPU)
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


def _features_in_rows(photo: Tensor, precision: torch.dtype) -> Tensor:
    """What the network sees in each cell of a photo, (C, rows, columns) float16, on a CPU."""
    _, spec = _estimator(_CPU)
    _, height, width = photo.shape
    lanes = TileGrid(height, width, spec.radius + CELL, CELL).lanes(parts_at_once())
    return torch.cat(side_by_side([partial(_lane_features, photo, lane, precision) for lane in lanes]), dim=1)


def _lane_features(photo: Tensor, lane: Tile, precision: torch.dtype) -> Tensor:
    """The same of the rows of a lane."""
    _, spec = _estimator(_CPU)
    read = photo[:, lane.rows.read_start : lane.rows.read_stop]
    _, height, width = read.shape
    rows = max(1, _STRIP_PIXELS // (width * CELL)) * CELL
    # One cell of context, in which the last row of cells finds the pixels that continue it.
    strips = TileGrid(height, width, CELL, CELL).bands(first_rows(spec.radius, rows, CELL), rows)
    while (features := _streamed(read, strips, precision)) is None:
        precision = exact_instead_of(precision)
    return features[:, _cells(lane.rows, lane.rows.read_start)]


@torch.inference_mode()
def _streamed(photo: Tensor, strips: Sequence[Tile], precision: torch.dtype) -> Tensor | None:
    """The same of a photo in strips from top to bottom; None if a feature is not finite."""
    network, _ = _estimator(_CPU)
    stream, features, done = CellStream(network), _empty(network, photo), 0
    for strip in strips:
        cells = _cells(strip.rows, strip.rows.read_start)
        read = read_tile(photo, strip, _CPU)[:, :, cells.start * CELL : cells.stop * CELL]
        with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
            seen = stream.push(read, is_last=strip is strips[-1])[0]
        if not seen.isfinite().all():
            return None
        features[:, done : done + seen.shape[1]] = seen
        done += seen.shape[1]
    return features


def _empty(network: NoiseMapNetwork, photo: Tensor) -> Tensor:
    """Room for the features of a photo. Half as much memory, and accurate to a two-thousandth."""
    rows, columns = (-(-side // CELL) for side in photo.shape[1:])
    return torch.empty(network.seen, rows, columns, dtype=torch.float16)


def _features(photo: Tensor, execution: Execution) -> Tensor:
    """The same as `_features_in_rows`, in tiles."""
    network, spec = _estimator(execution.device)
    _, height, width = photo.shape
    grid = TileGrid(height, width, spec.radius, step=CELL)
    features = _empty(network, photo)

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
    enabled = precision is not torch.float32
    with torch.autocast(device.type, precision if enabled else None, enabled=enabled):
        features = network.features(read_tile(photo, tile, device))[0].half()
    rows, columns = tile.rows, tile.columns
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
