"""A picture continued past its edges by its own reflection."""

from __future__ import annotations

import torch
from torch import Tensor


def reflected_indices(start: int, stop: int, size: int) -> Tensor:
    """Returns the pixels of 0…size − 1 that stand for start…stop − 1, reflected to and fro at both ends."""
    period = max(1, 2 * (size - 1))
    positions = torch.arange(start, stop) % period
    return torch.minimum(positions, period - positions)
