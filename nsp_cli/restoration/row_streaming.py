"""Runs a U-Net over a photo from top to bottom, where small tensors are fast and halos are dear: on a CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.networks.base import CELL
from nsp_cli.networks.row_stream import RowStream, first_rows
from nsp_cli.networks.unet_body import COARSEST, CONTEXT, FOLD, UnetBody
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.pixels import from_unit_range
from nsp_cli.ops.progress import OnProgress
from nsp_cli.resources import parts_at_once, side_by_side
from nsp_cli.tiling.grid import Tile, TileGrid
from nsp_cli.tiling.pixels import cut_map, read_tile
from nsp_cli.tiling.runner import exact_instead_of

# Size of the largest tensors between layers. 4 MB is 5 % slower: shapes of a start and an end weigh more.
_STRIP_BYTES = 8 << 20
_CPU = torch.device("cpu")


def can_stream(network: nn.Module, device: torch.device) -> bool:
    """Whether a network takes rows, and is faster with them."""
    return isinstance(network, UnetBody) and device.type == "cpu"


def stream_rows(
    network: nn.Module,
    radius: int,
    photo: Tensor,
    noise: NoiseMap | Tensor,
    result: Tensor,
    *,
    precision: torch.dtype,
    on_progress: OnProgress | None = None,
) -> None:
    """Writes a network's result for a photo. It is that of one pass over the whole photo.

    Two threads work on a part of the photo each, if it is high enough.

    Args:
        network: One that `can_stream`.
        radius: Its receptive-field radius in pixels.
        photo: (C, H, W).
        noise: The photo's noise map, or the (2, 4) numbers that a RAW network is told.
        result: (3, s·H, s·W), or (3, H, W) for the means of s×s pixels; written into.
        precision: Precision of the arithmetic. All is repeated in float32 if a result is not finite.
        on_progress: Called with the photo's pixels done and in total.

    Raises:
        DeviceError: A result is not finite in float32.
    """
    assert isinstance(network, UnetBody)
    _, height, width = photo.shape
    lanes = TileGrid(height, width, radius + CONTEXT, COARSEST).lanes(parts_at_once())
    finished = False
    while not finished:
        shown = _Progress(lanes, on_progress)
        work = partial(_lane_streamed, network, radius, photo, noise, result, precision)
        finished = all(side_by_side([partial(work, lane, shown.of(lane)) for lane in lanes]))
        precision = precision if finished else exact_instead_of(precision)


class _Progress:
    """The progress of all lanes together."""

    def __init__(self, lanes: Sequence[Tile], on_progress: OnProgress | None) -> None:
        self._done, self._lock, self._on_progress = dict.fromkeys(lanes, 0), threading.Lock(), on_progress
        self._pixels = sum(lane.core_pixels for lane in lanes)

    def of(self, lane: Tile) -> Callable[[float], None]:
        """A function that takes the finished share of a lane."""

        def show(share: float) -> None:
            with self._lock:
                self._done[lane] = round(share * lane.core_pixels)
                if self._on_progress:
                    self._on_progress(sum(self._done.values()), self._pixels)

        return show


def _lane_streamed(
    network: UnetBody,
    radius: int,
    photo: Tensor,
    noise: NoiseMap | Tensor,
    result: Tensor,
    precision: torch.dtype,
    lane: Tile,
    show: Callable[[float], None],
) -> bool:
    """Whether all of a lane's result is finite."""
    rows, scale = lane.rows, result.shape[1] // photo.shape[1]
    read = photo[:, rows.read_start : rows.read_stop]
    if isinstance(noise, NoiseMap):
        noise = NoiseMap(noise.bands[:, rows.read_start // CELL : -(-rows.read_stop // CELL)])
    written = result[:, scale * rows.start : scale * rows.stop]
    return _streamed(
        network, radius, read, noise, written, scale * (rows.read_start - rows.start), precision, show
    )


@torch.inference_mode()
def _streamed(
    network: UnetBody,
    radius: int,
    photo: Tensor,
    noise: NoiseMap | Tensor,
    result: Tensor,
    first: int,
    precision: torch.dtype,
    show: Callable[[float], None],
) -> bool:
    """Whether all of the result is finite. The photo's first row is the row `first` of it, at most 0."""
    stream, (_, height, width), done = RowStream(network), photo.shape, first
    for strip in _strips(network, radius, height, width, precision):
        read, told = _read(photo, noise, strip)
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            answer = stream.push(read, told, above=_above(strip), below=_below(strip)).float()
        if not answer.isfinite().all():
            return False
        if answer.shape[3] * width > result.shape[2] * read.shape[3]:
            # A network that enlarges also denoises: by the mean of what a pixel became.
            answer = functional.avg_pool2d(answer, answer.shape[3] // read.shape[3])
        done = _write(result, answer[0], done)
        show(strip.rows.stop / height)
    return True


def _strips(
    network: UnetBody, radius: int, height: int, width: int, precision: torch.dtype
) -> Iterator[Tile]:
    row_bytes = width * network.head.out_channels * precision.itemsize // FOLD**2
    rows = max(1, _STRIP_BYTES // row_bytes // COARSEST) * COARSEST
    yield from TileGrid(height, width, CONTEXT, COARSEST).bands(first_rows(radius, rows), rows)


def _read(photo: Tensor, noise: NoiseMap | Tensor, strip: Tile) -> tuple[Tensor, Tensor]:
    """What the network is fed for a strip: pixels (1, C, h, w), and their noise."""
    told = cut_map(noise.bands, strip, _CPU) if isinstance(noise, NoiseMap) else to_device(noise, _CPU)
    return read_tile(photo, strip, _CPU), told[None]


def _above(strip: Tile) -> int:
    return strip.rows.start - strip.rows.read_start


def _below(strip: Tile) -> int:
    return strip.rows.read_stop - -(-strip.rows.stop // COARSEST) * COARSEST


def _write(result: Tensor, answer: Tensor, first: int) -> int:
    """Writes rows (3, h, w) from the row `first` on, as far as the result has them. Returns the next row."""
    begin, end = max(0, first), first + answer.shape[1]
    rows = result[:, begin : max(begin, end)]
    inside = answer[:, begin - first :][:, : rows.shape[1], : rows.shape[2]]
    rows.copy_(from_unit_range(inside, result.dtype))
    return end
