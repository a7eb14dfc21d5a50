"""Bayer mosaics: which sites see which colour, folding, and bilinear demosaicing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device

# Colours of the sites of a cell in reading order: red, green, green, blue.
SITES = (0, 1, 1, 2)
CELL_SIDE = 2


def colour_of_site(site: int, phase: tuple[int, int]) -> int:
    """Colour of a site of a cell, in reading order: 0 red, 1 green, 2 blue.

    Args:
        site: 0 to 3.
        phase: Row and column of the first red pixel, 0 or 1.
    """
    row, column = divmod(site, CELL_SIDE)
    return (row != phase[0]) + (column != phase[1])


def bayer_masks(height: int, width: int, phases: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """Masks (B, 3, H, W): 1 where a Bayer sensor sees that colour, 0 elsewhere.

    Args:
        height, width: Size of the pictures.
        phases: Row and column of each sensor's first red pixel, 0 or 1.
        device: Device of the masks.
    """
    first = to_device(torch.tensor(phases, dtype=torch.int32), device)
    rows, columns = (
        (torch.arange(size, device=device) + first[:, axis, None]) % 2 == 1
        for axis, size in enumerate((height, width))
    )
    rows, columns = rows[:, :, None], columns[:, None]
    return torch.stack([~rows & ~columns, rows ^ columns, rows & columns], dim=1).float()


def demosaic_bilinear(mosaic: Tensor) -> Tensor:
    """Fills the missing colours of a Bayer mosaic (…, 3, H, W) with the mean of their neighbours."""
    green = mosaic.new_tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    other = mosaic.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    kernels = torch.stack([other, green, other])[:, None]
    # Reflection keeps the mosaic's parity across the border.
    padded = functional.pad(mosaic, (1, 1, 1, 1), mode="reflect")
    return functional.conv2d(padded, kernels, groups=3)


def demosaic_folded(folded: Tensor, kernel: Tensor) -> Tensor:
    """Bilinear demosaicing of a folded RGGB mosaic, to a folded picture.

    Folding keeps it at a quarter of the size, where each output is one small convolution.

    Args:
        folded: (B, 4, H, W), the sites of each cell in reading order.
        kernel: From `folded_kernel`, on the same device.

    Returns:
        (B, 12, H, W), as `pixel_unshuffle` makes it of a picture (B, 3, 2·H, 2·W).
    """
    # Next to a border, the repeated cell holds what reflection of pixels gives.
    padded = functional.pad(folded, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel)


def folded_kernel() -> Tensor:
    """Kernel (12, 4, 3, 3) of `demosaic_bilinear` between folded pixels."""
    cells = torch.zeros(len(SITES), len(SITES), 3, 3)
    for site in range(len(SITES)):
        cells[site, site, 1, 1] = 1  # an impulse at each site of the middle cell
    impulses = functional.pixel_shuffle(cells, CELL_SIDE)
    height, width = impulses.shape[-2:]
    masks = bayer_masks(height, width, [(0, 0)], impulses.device)
    answers = functional.pixel_unshuffle(demosaic_bilinear(impulses * masks), CELL_SIDE)
    # A convolution's kernel is the mirrored answer to an impulse.
    return answers.transpose(0, 1).flip(2, 3).contiguous()
