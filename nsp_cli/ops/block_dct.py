"""Blocks of a picture as orthonormal DCT-II coefficients, in a luma/chroma basis, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.ops.reflection import reflected_indices


@dataclass(frozen=True)
class BlockDct:
    """Blocks of side² pixels that overlap by half, on a grid that starts half a block before the picture.

    So every pixel lies in exactly four blocks. A block fades out towards its edges, or they would show.
    Past its edges the picture is reflected.

    Attributes:
        side: Side of a block in pixels; even.
    """

    side: int

    @property
    def stride(self) -> int:
        """Distance of neighbouring blocks in pixels."""
        return self.side // 2

    def forward(self, image: Tensor) -> Tensor:
        """Coefficients of a (C, H, W) picture, (C, rows, side, columns, side).

        A block's row of coefficients is a vertical frequency; DC comes first. In this order the lines of a
        picture need no other order in memory before or after, which costs as much as the arithmetic.
        """
        height, width = image.shape[-2:]
        rows = reflected_indices(-self.stride, self._end(height), height)
        columns = reflected_indices(-self.stride, self._end(width), width)
        rows, columns, basis = (
            to_device(known, image.device) for known in (rows, columns, dct_matrix(self.side))
        )
        padded = image.index_select(-2, rows).index_select(-1, columns)
        lines = torch.matmul(basis, padded.unfold(1, self.side, self.stride).transpose(2, 3))
        blocks = lines.unfold(3, self.side, self.stride)
        # One product of large matrices is faster than many of small ones, even with the copy.
        return torch.mm(blocks.reshape(-1, self.side), basis.T).view(blocks.shape)

    def inverse(self, coefficients: Tensor, height: int, width: int) -> Tensor:
        """The picture that the blocks blend into, (C, height, width). It inverts `forward`."""
        channels, rows = coefficients.shape[:2]
        basis = to_device(_windowed_basis(self.side), coefficients.device)
        blocks = torch.mm(coefficients.view(-1, self.side), basis.T)
        lines = self._blended(blocks.view(channels * rows * self.side, -1, self.side, 1))
        upright = torch.matmul(basis, lines.view(channels, rows, self.side, -1))
        start = self.stride
        return self._blended(upright)[:, start : start + height, start : start + width]

    def _blended(self, parts: Tensor) -> Tensor:
        """Adds up parts, (N, count, side, K), of which each covers half of the next; (N, pixels, K)."""
        n, count, _, k = parts.shape
        summed = parts.new_empty(n, count + 1, self.stride, k)
        summed[:, :-1] = parts[:, :, : self.stride]
        summed[:, -1] = 0
        summed[:, 1:] += parts[:, :, self.stride :]
        return summed.view(n, -1, k)

    def _end(self, size: int) -> int:
        return (-(-size // self.stride) + 1) * self.stride


@lru_cache(maxsize=4)
def dct_kernels(side: int) -> Tensor:
    """The orthonormal DCT-II basis pictures, (side², 1, side, side); row-major, DC first."""
    basis = _dct_matrix(side)
    return torch.einsum("ai,bj->abij", basis, basis).reshape(side * side, 1, side, side).float()


@lru_cache(maxsize=4)
def dct_matrix(side: int) -> Tensor:
    """The orthonormal DCT-II, (side, side), with a row for each frequency."""
    return _dct_matrix(side).float()


def _dct_matrix(side: int) -> Tensor:
    frequency = torch.arange(side, dtype=torch.float64)[:, None]
    position = torch.arange(side, dtype=torch.float64)[None]
    basis = torch.cos(math.pi * (2 * position + 1) * frequency / (2 * side)) * math.sqrt(2 / side)
    basis[0] /= math.sqrt(2)
    return basis


@lru_cache(maxsize=4)
def _windowed_basis(side: int) -> Tensor:
    """The inverse DCT under Hann windows, (side, side). Windows half a side apart add up to one."""
    window = torch.hann_window(2 * side + 1, periodic=False, dtype=torch.float64)[1::2]
    return (_dct_matrix(side) * window).T.float().contiguous()


def to_luma_chroma(image: Tensor) -> Tensor:
    """Rotates (3, …) RGB into luma and two chroma planes. Orthonormal, so noise keeps its power."""
    return torch.einsum("ij,j...->i...", to_device(_luma_chroma(), image.device), image)


def from_luma_chroma(image: Tensor) -> Tensor:
    """Inverts `to_luma_chroma`."""
    return torch.einsum("ij,i...->j...", to_device(_luma_chroma(), image.device), image)


@lru_cache(maxsize=1)
def _luma_chroma() -> Tensor:
    rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    return functional.normalize(rows, dim=1)


def lattice_coefficients(
    image: Tensor, side: int, *, clipped_below: float = -1.0, most: int = 20_000
) -> tuple[Tensor, Tensor]:
    """Transforms blocks on a lattice over a picture, few enough for statistics of large photos.

    Args:
        image: (3, H, W) RGB, integers or floats with white at 1. Small pictures are reflected to one block.
        side: Side of a block.
        clipped_below: Distance from black or white below which pixels count as clipped.
        most: Largest number of blocks, approximately.

    Returns:
        (3, side², rows, columns) luma/chroma coefficients, and a (rows, columns) mask of the blocks
        where more than a twentieth of the values are clipped.
    """
    height, width = image.shape[-2:]
    if min(height, width) < side:
        image = image.index_select(1, reflected_indices(0, max(height, side), height))
        image = image.index_select(2, reflected_indices(0, max(width, side), width))
    # Odd, so that blocks lie at every offset to JPEG's 8×8 grid.
    step = max(side // 2 + 1, math.ceil(math.sqrt(height * width / most)) // 2 * 2 + 1)
    views = image.unfold(1, side, step).unfold(2, side, step)
    rows, columns = views.shape[1:3]
    blocks = to_unit_range(views.flatten(3).flatten(1, 2))
    clipped = ((blocks < clipped_below) | (blocks > 1 - clipped_below)).float().mean((0, 2)) > 0.05
    coefficients = torch.einsum("cnp,kp->ckn", to_luma_chroma(blocks), dct_kernels(side).view(side**2, -1))
    return coefficients.view(3, side**2, rows, columns), clipped.view(rows, columns)
