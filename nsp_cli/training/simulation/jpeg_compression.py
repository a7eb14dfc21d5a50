"""Simulates JPEG compression of many pictures at a time, on any device.

Training samples are compressed on the device where they are made, which may be a GPU. No JPEG library does
that. This module computes the loss of baseline JPEG (ITU-T T.81) in floating point and encodes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.ops.block_dct import dct_matrix
from nsp_cli.photo import JpegTables, Subsampling
from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform

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
# Pixels for one of chroma, in rows and columns.
_SHRINKS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:4:0": (2, 1), "4:2:0": (2, 2)}
# Chance of a camera's tables. Their steps times a power of e, its mean and spread, and chroma's once more.
_BY_CAMERA, _STEPS, _CHROMA_STEPS = 0.4, (0.2, 0.5), 0.3
# Qualities that programs offer, their share, and how far the other qualities are from 100.
_QUALITIES, _USUAL, _OFF = (75, 75, 80, 85, 90, 95), 0.75, (2, 45)
# Chance that chroma is coarser than its quality says, by how much at most, and down to which quality.
_COARSER, _MOST_COARSER, _LOWEST = 0.2, 25, 30
_SUBSAMPLINGS: tuple[Subsampling, ...] = ("4:2:0", "4:2:0", "4:2:0", "4:2:2", "4:4:4")
# Chance of a grid that does not start in the corner, as in a photo that was cropped or turned.
_SHIFTED = 0.6


@dataclass(frozen=True)
class Compression:
    """Settings of a JPEG.

    Attributes:
        tables: Quantisation steps, and how much smaller chroma is.
        grid: Rows and columns of the picture before its first whole 8×8 block, 0 to 7.
    """

    tables: JpegTables
    grid: tuple[int, int] = (0, 0)


def standard_tables(
    quality: int, subsampling: Subsampling = "4:2:0", *, chroma_quality: int | None = None
) -> JpegTables:
    """Tables of most encoders; qualities are 1 to 100, and that of chroma is the same unless it is given."""
    chroma = quality if chroma_quality is None else chroma_quality
    return JpegTables(_of_quality(_LUMA, quality), _of_quality(_CHROMA, chroma), subsampling)


def _of_quality(table: Sequence[Sequence[int]], quality: int) -> tuple[int, ...]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(max((step * scale + 50) // 100, 1), 255) for row in table for step in row)


def draw_compression(cameras: Sequence[JpegTables], generator: torch.Generator) -> Compression:
    """Draws tables near those of a camera, or standard ones, and a grid.

    Args:
        cameras: Tables of cameras' files; without any, all are standard ones.
        generator: Random generator, on the CPU.
    """
    is_shifted, is_camera = (random_event(chance, generator) for chance in (_SHIFTED, _BY_CAMERA))
    grid = (random_below(8, generator), random_below(8, generator)) if is_shifted else (0, 0)
    if not cameras or not is_camera:
        return Compression(_draw_standard(generator), grid)
    tables = cameras[random_below(len(cameras), generator)]
    common, chroma = torch.randn(2, generator=generator).tolist()
    factor = math.exp(_STEPS[0] + _STEPS[1] * common)
    coarser = factor * math.exp(_CHROMA_STEPS * abs(chroma))
    scaled = JpegTables(_scaled(tables.luma, factor), _scaled(tables.chroma, coarser), tables.subsampling)
    return Compression(scaled, grid)


def _draw_standard(generator: torch.Generator) -> JpegTables:
    usual = _QUALITIES[random_below(len(_QUALITIES), generator)]
    other = round(100 - random_log_uniform(*_OFF, generator))
    quality = usual if random_event(_USUAL, generator) else other
    chroma = max(_LOWEST, quality - random_below(_MOST_COARSER, generator))
    chroma = chroma if random_event(_COARSER, generator) else quality
    subsampling = _SUBSAMPLINGS[random_below(len(_SUBSAMPLINGS), generator)]
    return standard_tables(quality, subsampling, chroma_quality=chroma)


def _scaled(steps: Sequence[int], factor: float) -> tuple[int, ...]:
    return tuple(min(max(round(step * factor), 1), 255) for step in steps)


def compress(pictures: Tensor, compressions: Sequence[Compression]) -> Tensor:
    """Pictures as they are read from JPEG files.

    Args:
        pictures: (B, 3, H, W) sRGB; brought to 8-bit values in [0, 1] first.
        compressions: Settings of each file.

    Returns:
        (B, 3, H, W) 8-bit values in [0, 1].
    """
    pictures = (pictures.clamp(0, 1) * 255).round()
    for subsampling, shrink in _SHRINKS.items():
        chosen = [n for n, one in enumerate(compressions) if one.tables.subsampling == subsampling]
        if chosen:
            places = to_device(torch.tensor(chosen), pictures.device)
            pictures[places] = _compressed(pictures[places], [compressions[n] for n in chosen], shrink)
    return pictures / 255


def _compressed(pictures: Tensor, compressions: Sequence[Compression], shrink: tuple[int, int]) -> Tensor:
    """Compresses (B, 3, H, W) whole numbers from 0 to 255, with chroma at a fraction of the size."""
    device, shape = pictures.device, pictures.shape[-2:]
    offsets = (8 - torch.tensor([one.grid for one in compressions])) % 8
    # Blocks that cross the edge are filled with the outermost pixels.
    places = [_laid_out(size, offsets[:, axis]) for axis, size in enumerate(shape)]
    planes = _to_ycc(_gather(pictures, *places))
    luma = _rounded(planes[:, :1], _steps([one.tables.luma for one in compressions], device))
    chroma = functional.avg_pool2d(planes[:, 1:], shrink).round()
    chroma = _rounded(chroma, _steps([one.tables.chroma for one in compressions], device))
    # Decoders enlarge chroma by linear interpolation.
    scale = [float(factor) for factor in shrink]
    chroma = functional.interpolate(chroma, scale_factor=scale, mode="bilinear").round()
    seen = _to_rgb(torch.cat([luma, chroma], dim=1))
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


def _steps(tables: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Quantisation step of each coefficient, (B, 1, 1, 8, 1, 8)."""
    return to_device(torch.tensor(tables).view(-1, 1, 1, 8, 1, 8).float(), device)


def _rounded(planes: Tensor, steps: Tensor) -> Tensor:
    """Quantises the 8×8 DCT coefficients of planes (B, C, H, W) and rounds the resulting planes."""
    batch, channels, height, width = planes.shape
    basis = to_device(dct_matrix(8), planes.device)
    blocks = planes.reshape(batch, channels, height // 8, 8, width // 8, 8)
    coefficients = torch.einsum("ui,bcriqj,vj->bcruqv", basis, blocks, basis)
    coefficients = (coefficients / steps).round() * steps
    restored = torch.einsum("ui,bcruqv,vj->bcriqj", basis, coefficients, basis)
    return restored.reshape(planes.shape).round().clamp(-128, 127)
