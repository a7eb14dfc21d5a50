"""Passes over whole feature maps in tiles, for a network that needs sums over a whole picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from nsp_cli.device import begin_fetch, to_device
from nsp_cli.networks.tbsn.by_layers import Features
from nsp_cli.restoration.feature_maps import empty_map
from nsp_cli.tiling.grid import Span, Tile, TileGrid
from nsp_cli.tiling.runner import Finish, run_tiles

_Layers = Callable[[Tensor], Tensor]


class LayerPasses:
    """Passes over whole feature maps in tiles."""

    def __init__(
        self,
        device: torch.device,
        precision: torch.dtype,
        *,
        core: int,
        step: int,
        place: torch.device | None,
        on_work: Callable[[int], None],
    ) -> None:
        """Sets what all passes share.

        Args:
            device: Where layers run.
            precision: Precision of their arithmetic. Maps are float32.
            core: Side of a tile's core, in positions of the map that is read.
            step: Tiles start on multiples of this number.
            place: Device of the maps; None for a temporary file.
            on_work: Called with the work of a tile when it is done.
        """
        self._device, self._precision, self._core, self._step = device, precision, core, step
        self._place, self._on_work = place, on_work

    def new_map(self, channels: int, height: int, width: int) -> Features:
        """Uninitialised features, float32.

        Raises:
            DeviceError: The temporary file does not fit on its disk.
        """
        return (empty_map((1, channels, height, width), self._place),)

    def apply(
        self, layers: _Layers, source: Features, result: Features, *, reach: int = 0, work: int = 0
    ) -> None:
        """Writes what layers make of all of `source` into `result`, which may be `source`.

        Raises:
            DeviceError: The smallest tile does not fit in memory, or a result is not finite.
        """

        def begin(band: Features, top: int, tile: Tile, precision: torch.dtype) -> Finish:
            made = self._run(layers, band, top, tile, precision).float()
            is_finite = begin_fetch(made.isfinite().all())
            fetched = begin_fetch(made) if result[0].device != made.device else lambda: made

            def finish() -> bool:
                if is_usable := bool(is_finite()):
                    _write(result, tile, source[0].shape, fetched())
                return is_usable

            return finish

        self._pass(begin, source, reach, work, is_overwritten=result is source)

    def total(
        self, layers: _Layers, summary: Callable[[Tensor], Tensor], source: Features, *, reach: int
    ) -> Tensor:
        """The sum, in float64 on the CPU, of what `summary` makes of disjoint parts of the layers' result.

        Raises:
            DeviceError: As for `apply`.
        """
        parts: list[Tensor] = []

        def begin(band: Features, top: int, tile: Tile, precision: torch.dtype) -> Finish:
            made = self._run(layers, band, top, tile, precision)
            fetched = begin_fetch(summary(made))

            def finish() -> bool:
                if is_usable := bool(fetched().isfinite().all()):
                    parts.append(fetched().double())
                return is_usable

            return finish

        self._pass(begin, source, reach, 0, is_overwritten=False)
        return torch.stack(parts).sum(dim=0)

    def _pass(
        self,
        begin: Callable[[Features, int, Tile, torch.dtype], Finish],
        source: Features,
        reach: int,
        work: int,
        *,
        is_overwritten: bool,
    ) -> None:
        grid = TileGrid(source[0].shape[2], source[0].shape[3], reach, self._step)
        rows_of_tiles = groupby(grid.plan(self._core), key=lambda tile: tile.rows)
        rows, tiles = zip(*((rows, list(tiles)) for rows, tiles in rows_of_tiles), strict=True)
        bands = _bands(source, rows, is_overwritten=is_overwritten and reach > 0)
        for band, span, row in zip(bands, rows, tiles, strict=True):
            run_tiles(
                grid,
                row,
                partial(begin, band, span.read_start),
                device=self._device,
                precision=self._precision,
                on_done=lambda tile: self._on_work(work * tile.core_pixels),
            )

    def _run(
        self,
        layers: _Layers,
        band: Features,
        top: int,
        tile: Tile,
        precision: torch.dtype,
    ) -> Tensor:
        """What layers make of a tile's core."""
        rows = slice(tile.rows.read_start - top, tile.rows.read_stop - top)
        columns = slice(tile.columns.read_start, tile.columns.read_stop)
        read = torch.cat([to_device(part[:, :, rows, columns], self._device) for part in band], dim=1)
        read = read.contiguous(memory_format=torch.channels_last)
        enabled = precision is not torch.float32
        with torch.autocast(self._device.type, precision if enabled else None, enabled=enabled):
            made = layers(read)
        return made[:, :, _core_in_read(tile.rows, made.shape[2]), _core_in_read(tile.columns, made.shape[3])]


def _core_in_read(span: Span, size: int) -> slice:
    """Place of the core in what layers made `size` long of all that was read."""
    read = span.read_stop - span.read_start
    return slice((span.start - span.read_start) * size // read, (span.stop - span.read_start) * size // read)


def _bands(source: Features, rows: tuple[Span, ...], *, is_overwritten: bool) -> Iterator[Features]:
    """What each row of tiles reads, as it was before the rows above were overwritten."""
    above = [part[:, :, :0] for part in source]
    for here, below in zip(rows, (*rows[1:], None), strict=True):
        if not is_overwritten:
            yield tuple(part[:, :, here.read_start : here.read_stop] for part in source)
            continue
        fresh = [part[:, :, here.start : here.read_stop] for part in source]
        band = tuple(torch.cat(pair, dim=2) for pair in zip(above, fresh, strict=True))
        if below is not None:
            kept = slice(below.read_start - here.read_start, below.start - here.read_start)
            above = [part[:, :, kept].clone() for part in band]
        yield band


def _write(result: Features, tile: Tile, source: torch.Size, made: Tensor) -> None:
    rows = _enlarged(tile.rows, result[0].shape[2], source[2])
    columns = _enlarged(tile.columns, result[0].shape[3], source[3])
    parts = torch.split(made, [part.shape[1] for part in result], dim=1)
    for kept, part in zip(result, parts, strict=True):
        kept[:, :, rows, columns] = part


def _enlarged(span: Span, size: int, full: int) -> slice:
    """Place of a core in a map `size` long, if what it was cut from is `full` long."""
    return slice(span.start * size // full, span.stop * size // full)
