"""A synthetic photo of any size, the same every time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_PIECE, _NOISE = 1024, 8 / 255


def synthetic_photo(megapixels: float) -> Tensor:
    """Returns a (3, H, W) uint8 photo with sides 3:2: noisy waves of several lengths, repeated as tiles."""
    height = max(1, round(math.sqrt(megapixels * 1e6 / 1.5)))
    width = max(1, round(megapixels * 1e6 / height))
    piece = _piece()
    rows, columns = torch.arange(height) % _PIECE, torch.arange(width) % _PIECE
    # Interleaved channels, as in a photo read from a file.
    return piece.index_select(0, rows).index_select(1, columns).permute(2, 0, 1)


def _piece() -> Tensor:
    position = torch.arange(_PIECE) * (2 * math.pi / _PIECE)
    waves = sum(torch.sin(k * position)[:, None] * torch.cos(k * position) / k for k in (1, 3, 20, 150))
    noise = torch.randn(_PIECE, _PIECE, 3, generator=torch.Generator().manual_seed(0)) * _NOISE
    scene = 0.5 + 0.15 * torch.as_tensor(waves)[..., None] * torch.tensor([1.0, 0.9, 0.7])
    return ((scene + noise) * 255).round().clamp(0, 255).to(torch.uint8)
