"""Copies tiles from a photo in main memory to a device, and results back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nsp_cli.device import begin_fetch, to_device
from nsp_cli.networks.base import CELL
from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.ops.reflection import reflected_indices
from nsp_cli.tiling.grid import Tile


def cut_tile(image: Tensor, tile: Tile, device: torch.device) -> Tensor:
    """Copies the part of a picture that a tile reads, as far as the picture reaches.

    Args:
        image: (3, H, W) uint8, uint16 or float in [0, 1].
        tile: The tile to cut.
        device: Device of the copy.

    Returns:
        (3, h, w) float32 in [0, 1].
    """
    rows, columns = tile.rows, tile.columns
    part = image[:, rows.read_start : rows.read_stop, columns.read_start : columns.read_stop]
    part = part if _is_copied_unchanged(part) else to_unit_range(part)
    return to_unit_range(to_device(part, device))


def read_tile(image: Tensor, tile: Tile, device: torch.device) -> Tensor:
    """What a network is fed for a tile: (1, C, h, w) float32, channels last, as large as the tile says.

    Past the picture's edges it is reflected.
    """
    height, width = (axis.read_stop - axis.read_start for axis in (tile.rows, tile.columns))
    pixels = pad_bottom_right(cut_tile(image, tile, device)[None], height, width)
    return pixels.contiguous(memory_format=torch.channels_last)


def cut_map(bands: Tensor, tile: Tile, device: torch.device) -> Tensor:
    """Copies the part of a noise map that covers all that a tile reads.

    Args:
        bands: (6, rows, columns), a cell for every 8×8 pixels of the photo.
        tile: A tile that reads whole cells.
        device: Device of the copy.

    Returns:
        (6, h / 8, w / 8).
    """
    rows, columns = (
        slice(one.read_start // CELL, one.read_stop // CELL) for one in (tile.rows, tile.columns)
    )
    return to_device(bands[:, rows, columns], device)


def begin_paste(image: Tensor, tile: Tile, result: Tensor, scale: int = 1) -> Callable[[], None]:
    """Starts copying a tile's core to main memory.

    Args:
        image: (3, scale·H, scale·W) uint8, uint16 or float; the core is written into it.
        tile: The tile to paste.
        result: (3, scale·h, scale·w) float in [0, 1] for all that the tile reads, on any device.
        scale: Pixels of the picture per pixel of the photo and axis.

    Returns:
        A function that waits for the copy and writes it into the picture.
    """
    core = result[:, tile.rows.core_in_read(scale), tile.columns.core_in_read(scale)]
    if core.device.type != "cpu":
        # The device puts pixels in the order of a photo's memory, which the CPU does slowly.
        core = core.permute(1, 2, 0).contiguous().permute(2, 0, 1)
        core = from_unit_range(core, image.dtype) if _is_copied_unchanged(image) else core
    fetched = begin_fetch(core)

    def paste() -> None:
        rows = slice(tile.rows.start * scale, tile.rows.stop * scale)
        columns = slice(tile.columns.start * scale, tile.columns.stop * scale)
        done = fetched()
        image[:, rows, columns] = done if done.dtype == image.dtype else from_unit_range(done, image.dtype)

    return paste


def _is_copied_unchanged(picture: Tensor) -> bool:
    # Bytes cross the bus four times as fast as floats. Other integers do not exist on every device.
    return picture.dtype == torch.uint8 or picture.is_floating_point()


def pad_bottom_right(image: Tensor, height: int, width: int) -> Tensor:
    """Pads (…, h, w) to the given size by reflection, back and forth if the picture is small."""
    if image.shape[-2] < height:
        image = image[..., reflected_indices(0, height, image.shape[-2]), :]
    if image.shape[-1] < width:
        image = image[..., reflected_indices(0, width, image.shape[-1])]
    return image
