"""Cuts tiles' pixels out of a photo in main memory, onto a device, and puts what became of them back."""

from __future__ import annotations

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.pixels import from_unit_range, to_unit_range
from nsp_cli.tiling import Tile, reflected_indices


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
    # Bytes cross a bus four times as fast as floats; other integers do not exist on every device.
    if part.dtype != torch.uint8 and not part.is_floating_point():
        part = to_unit_range(part)
    return to_unit_range(to_device(part, device))


def paste_core(image: Tensor, tile: Tile, result: Tensor, scale: int = 1) -> None:
    """Writes a tile's core into a picture.

    Args:
        image: (3, scale·H, scale·W) uint8, uint16 or float; changed.
        tile: Which part.
        result: (3, scale·h, scale·w) float in [0, 1] of all that the tile reads, on any device.
        scale: Pixels of the picture per pixel of the photo and axis.
    """
    core = result[:, tile.rows.core_in_read(scale), tile.columns.core_in_read(scale)].cpu()
    rows = slice(tile.rows.start * scale, tile.rows.stop * scale)
    columns = slice(tile.columns.start * scale, tile.columns.stop * scale)
    image[:, rows, columns] = from_unit_range(core, image.dtype)


def pad_bottom_right(image: Tensor, height: int, width: int) -> Tensor:
    """Enlarges (…, h, w) to the given size by reflection, to and fro where the picture is small."""
    if image.shape[-2] < height:
        image = image[..., reflected_indices(0, height, image.shape[-2]), :]
    if image.shape[-1] < width:
        image = image[..., reflected_indices(0, width, image.shape[-1])]
    return image
