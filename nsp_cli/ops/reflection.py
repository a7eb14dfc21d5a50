"""Reflection of a picture past its edges."""

from __future__ import annotations

import torch
from torch import Tensor


def reflected_indices(start: int, stop: int, size: int) -> Tensor:
    """Indices within 0…size − 1 that start…stop − 1 are reflected to, back and forth at both ends."""
    period = max(1, 2 * (size - 1))
    positions = torch.arange(start, stop) % period
    return torch.minimum(positions, period - positions)
