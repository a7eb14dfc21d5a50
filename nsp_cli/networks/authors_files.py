"""What the readers of the authors' .pth files share."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from nsp_cli.networks.kind import State


def count_modules(state: State, pattern: str) -> int:
    """Number of modules in a list, counted by one key that each of them has."""
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def centre_mask(name: str, state: State) -> Tensor | None:
    """Mask that leaves out the centre of the convolution that a mask's name belongs to.

    Args:
        name: Name of a mask, such as "branch1.body.0.mask".
        state: All tensors of the file.

    Returns:
        A tensor of the shape of the convolution's weight; None if the file has no such convolution.
    """
    weight = state.get(name.removesuffix(".mask") + ".weight")
    if weight is None or weight.dim() != 4:
        return None
    mask = torch.ones(weight.shape)
    mask[:, :, weight.shape[2] // 2, weight.shape[3] // 2] = 0
    return mask
