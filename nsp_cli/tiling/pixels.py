"""Cuts tiles' pixels out of a photo in main memory, onto a device, and puts what became of them back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nsp_cli.device import begin_fetch, to_device
from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.ops.reflection import reflected_indices
from nsp_cli.tiling.grid import Tile


def cut_tile(image: Tensor, tile: Tile, device: torch.device) -> Tensor:
    """Copies what a tile reads of a picture, as far as the picture reaches.

    Args:
        image: (3, H, W) uint8, uint16 or float in [0, 1].
        tile: Which part.
        device: Where the copy goes.

    Returns:
        (3, h, w) float32 in [0, 1].
    """
    rows, columns = tile.rows, tile.columns
    part = image[:, rows.read_start : rows.read_stop, columns.read_start : columns.read_stop]
    part = part if _crosses_as_it_is(part) else to_unit_range(part)
    return to_unit_range(to_device(part, device))


def begin_paste(image: Tensor, tile: Tile, result: Tensor, scale: int = 1) -> Callable[[], None]:
    """Begins to fetch a tile's core, and returns what waits for it and writes it into a picture.

    Args:
        image: (3, scale·H, scale·W) uint8, uint16 or float; changed.
        tile: Which part.
        result: (3, scale·h, scale·w) float in [0, 1] of all that the tile reads, on any device.
        scale: Pixels of the picture per pixel of the photo and axis.
    """
    core = result[:, tile.rows.core_in_read(scale), tile.columns.core_in_read(scale)]
    if core.device.type != "cpu":
        # In the order of a photo's memory, which the processor is slow to make.
        core = core.permute(1, 2, 0).contiguous().permute(2, 0, 1)
        core = from_unit_range(core, image.dtype) if _crosses_as_it_is(image) else core
    fetched = begin_fetch(core)

    def paste() -> None:
        rows = slice(tile.rows.start * scale, tile.rows.stop * scale)
        columns = slice(tile.columns.start * scale, tile.columns.stop * scale)
        done = fetched()
        image[:, rows, columns] = done if done.dtype == image.dtype else from_unit_range(done, image.dtype)

    return paste


def _crosses_as_it_is(picture: Tensor) -> bool:
    # Bytes cross a bus four times as fast as floats; other integers do not exist on every device.
    return picture.dtype == torch.uint8 or picture.is_floating_point()


def pad_bottom_right(image: Tensor, height: int, width: int) -> Tensor:
    """Enlarges (…, h, w) to the given size by reflection, to and fro where the picture is small."""
    if image.shape[-2] < height:
        image = image[..., reflected_indices(0, height, image.shape[-2]), :]
    if image.shape[-1] < width:
        image = image[..., reflected_indices(0, width, image.shape[-1])]
    return image
