"""Runs a U-Net over a photo from top to bottom, where small tensors are fast and halos are dear: on a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.networks.row_stream import RowStream, first_rows
from nsp_cli.networks.unet_body import COARSEST, CONTEXT, FOLD, UnetBody
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.pixels import from_unit_range
from nsp_cli.ops.progress import OnProgress
from nsp_cli.tiling.grid import Tile, TileGrid
from nsp_cli.tiling.pixels import cut_map, cut_tile, pad_bottom_right
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
    while not _streamed(network, radius, photo, noise, result, precision, on_progress):
        precision = exact_instead_of(precision)


@torch.inference_mode()
def _streamed(
    network: UnetBody,
    radius: int,
    photo: Tensor,
    noise: NoiseMap | Tensor,
    result: Tensor,
    precision: torch.dtype,
    on_progress: OnProgress | None,
) -> bool:
    """Whether all of the result is finite."""
    stream, (_, height, width), done = RowStream(network), photo.shape, 0
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
        if on_progress:
            on_progress(strip.rows.stop * width, height * width)
    return True


def _strips(
    network: UnetBody, radius: int, height: int, width: int, precision: torch.dtype
) -> Iterator[Tile]:
    row_bytes = width * network.head.out_channels * precision.itemsize // FOLD**2
    rows = max(1, _STRIP_BYTES // row_bytes // COARSEST) * COARSEST
    yield from TileGrid(height, width, CONTEXT, COARSEST).bands(first_rows(radius, rows), rows)


def _read(photo: Tensor, noise: NoiseMap | Tensor, strip: Tile) -> tuple[Tensor, Tensor]:
    """What the network is fed for a strip: pixels (1, C, h, w), and their noise."""
    height, width = (axis.read_stop - axis.read_start for axis in (strip.rows, strip.columns))
    pixels = pad_bottom_right(cut_tile(photo, strip, _CPU)[None], height, width)
    told = cut_map(noise.bands, strip, _CPU) if isinstance(noise, NoiseMap) else to_device(noise, _CPU)
    return pixels.contiguous(memory_format=torch.channels_last), told[None]


def _above(strip: Tile) -> int:
    return strip.rows.start - strip.rows.read_start


def _below(strip: Tile) -> int:
    return strip.rows.read_stop - -(-strip.rows.stop // COARSEST) * COARSEST


def _write(result: Tensor, answer: Tensor, first: int) -> int:
    """Writes rows (3, h, w) from the row `first` on, as far as the result reaches. Returns the next row."""
    rows = result[:, first : first + answer.shape[1]]
    rows.copy_(from_unit_range(answer[:, : rows.shape[1], : rows.shape[2]], result.dtype))
    return first + rows.shape[1]
