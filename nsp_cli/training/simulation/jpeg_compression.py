"""Simulates JPEG compression of many pictures at a time, on any device.

Training samples are compressed on the device where they are made, which may be a GPU. No JPEG library does
that. This module computes the loss of baseline JPEG (ITU-T T.81) in floating point and encodes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.ops.block_dct import dct_matrix

# The quantisation tables that encoders scale by quality (T.81, Annex K.1).
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)
# JFIF's colour conversion; the rows are luma and the two chroma planes.
_FROM_RGB = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
# Side in pixels of a chroma block if chroma is halved.
_CELL = 16


def compress(
    pictures: Tensor, qualities: Sequence[int], grids: Sequence[tuple[int, int]], *, halves_chroma: bool
) -> Tensor:
    """Pictures after JPEG compression.

    Args:
        pictures: (B, 3, H, W) whole numbers from 0 to 255, as floats.
        qualities: JPEG quality of each picture, 1 to 100.
        grids: Rows and columns of each picture before its first whole 8×8 block, 0 to 7.
        halves_chroma: True for 4:2:0, False for 4:4:4.

    Returns:
        (B, 3, H, W) whole numbers from 0 to 255, as floats.
    """
    device, shape = pictures.device, pictures.shape[-2:]
    offsets = (8 - torch.tensor(grids)) % 8
    # Blocks that cross the edge are filled with the outermost pixels.
    places = [_laid_out(size, offsets[:, axis]) for axis, size in enumerate(shape)]
    planes = _to_ycc(_gather(pictures, *places))
    luma, chroma = planes[:, :1], planes[:, 1:]
    steps = [to_device(_steps(table, qualities), device) for table in (_LUMA, _CHROMA)]
    luma = _rounded(luma, steps[0])
    if halves_chroma:
        # Decoders enlarge chroma by linear interpolation.
        small = _rounded(functional.avg_pool2d(chroma, 2).round(), steps[1])
        chroma = functional.interpolate(small, scale_factor=2, mode="bilinear")
    else:
        chroma = _rounded(chroma, steps[1])
    seen = _to_rgb(torch.cat([luma, chroma.round()], dim=1))
    return _gather(seen, *(torch.arange(size) + offsets[:, axis, None] for axis, size in enumerate(shape)))


def _laid_out(size: int, offsets: Tensor) -> Tensor:
    """Index of the picture row for each row of the whole blocks, (B, n)."""
    whole = -(-(size + 7) // _CELL) * _CELL
    return (torch.arange(whole) - offsets[:, None]).clamp(0, size - 1)


def _gather(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Picks (B, h) rows and (B, w) columns from pictures (B, 3, H, W)."""
    rows, columns = (to_device(places, pictures.device) for places in (rows, columns))
    which = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    return pictures[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _to_ycc(pictures: Tensor) -> Tensor:
    """Luma and chroma, both centred at 0."""
    turned = torch.einsum("ij,bjhw->bihw", pictures.new_tensor(_FROM_RGB), pictures)
    turned[:, 0] -= 128
    return turned.round()


def _to_rgb(planes: Tensor) -> Tensor:
    turned = torch.einsum("ij,bjhw->bihw", planes.new_tensor(_TO_RGB), planes)
    return (turned + 128).round().clamp(0, 255)


def _steps(table: Sequence[Sequence[int]], qualities: Sequence[int]) -> Tensor:
    """Quantisation step of each coefficient, (B, 1, 1, 8, 1, 8)."""
    scales = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in qualities]
    scaled = (torch.tensor(table) * torch.tensor(scales).view(-1, 1, 1) + 50) // 100
    return scaled.clamp(1, 255).view(-1, 1, 1, 8, 1, 8).float()


def _rounded(planes: Tensor, steps: Tensor) -> Tensor:
    """Quantises the 8×8 DCT coefficients of planes (B, C, H, W) and rounds the resulting planes."""
    batch, channels, height, width = planes.shape
    basis = to_device(dct_matrix(8), planes.device)
    blocks = planes.reshape(batch, channels, height // 8, 8, width // 8, 8)
    coefficients = torch.einsum("ui,bcriqj,vj->bcruqv", basis, blocks, basis)
    coefficients = (coefficients / steps).round() * steps
    restored = torch.einsum("ui,bcruqv,vj->bcriqj", basis, coefficients, basis)
    return restored.reshape(planes.shape).round().clamp(-128, 127)
