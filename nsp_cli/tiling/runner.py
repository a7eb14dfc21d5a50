"""Runs a photo's tiles through a device. A CUDA GPU works on the next tile while one is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import torch

from nsp_cli.device import release_memory
from nsp_cli.errors import DeviceError
from nsp_cli.tiling.grid import Tile, TileGrid

Finish = Callable[[], bool]
Begin = Callable[[Tile, torch.dtype], Finish]


def run_tiles(
    grid: TileGrid,
    tiles: Iterable[Tile],
    begin: Begin,
    *,
    device: torch.device,
    precision: torch.dtype,
    on_done: Callable[[Tile], None],
) -> None:
    """Starts and finishes every tile.

    Args:
        grid: Splits tiles that do not fit in memory.
        tiles: The tiles, in order.
        begin: Starts a tile in a precision. Returns a function that waits for the tile and writes it,
            and returns False if its result is not finite. Such a tile is started again in float32.
        device: Device that processes the tiles.
        precision: Precision of the arithmetic.
        on_done: Called when a tile is written.

    Raises:
        DeviceError: The smallest tile does not fit in memory, or a result is not finite in float32.
    """
    pending = deque((tile, precision) for tile in tiles)
    begun: deque[tuple[Tile, torch.dtype, Finish]] = deque()
    ahead = 1 if device.type == "cuda" else 0
    while pending or begun:
        if pending:
            tile, chosen = pending.popleft()
            if finish := _begin_if_it_fits(begin, tile, chosen, device):
                begun.append((tile, chosen, finish))
            else:
                pending.extendleft((part, chosen) for part in reversed(_halved(grid, tile)))
        if len(begun) > ahead or (begun and not pending):
            tile, chosen, finish = begun.popleft()
            if finish():
                on_done(tile)
            else:
                pending.appendleft((tile, exact_instead_of(chosen)))


def _begin_if_it_fits(
    begin: Begin, tile: Tile, precision: torch.dtype, device: torch.device
) -> Finish | None:
    try:
        return begin(tile, precision)
    except torch.OutOfMemoryError:
        pass
    # The exception holds the failed attempt's tensors until its handler ends.
    release_memory(device)
    return None


def _halved(grid: TileGrid, tile: Tile) -> list[Tile]:
    parts = grid.split(tile)
    if not parts:
        raise DeviceError(
            "The smallest tile does not fit in memory.", "Close other programs, or use --device cpu."
        )
    return parts


def exact_instead_of(precision: torch.dtype) -> torch.dtype:
    """Precision for what is not finite in another.

    Raises:
        DeviceError: There is none that is more exact.
    """
    if precision == torch.float32:
        raise DeviceError(
            "The network's result is not finite, even in float32.",
            "The weights may be damaged. Check them with nsp weights verify, or choose another --model.",
        )
    return torch.float32
