"""Black and white in, black and white out: networks answer the three channels apart, which makes a tint."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nsp_cli.ops.pixels import from_unit_range, to_unit_range


def keep_neutral(photo: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that takes the tint from a (3, H, W) result if the photo has three equal channels."""
    return neutral if is_neutral(photo) else lambda result: result


def is_neutral(photo: Tensor) -> bool:
    """Whether a (3, H, W) photo is black and white in three equal channels."""
    return bool((photo[0] == photo[1]).all() and (photo[1] == photo[2]).all())


def neutral(picture: Tensor) -> Tensor:
    """A new (3, H, W) picture with the mean of the channels in each of them, of the same type."""
    # One plane at a time: an enlargement's three as floats would be a gigabyte.
    total = to_unit_range(picture[0]) + to_unit_range(picture[1]) + to_unit_range(picture[2])
    grey = from_unit_range(total / 3, picture.dtype)
    return torch.stack([grey] * 3, dim=-1).permute(2, 0, 1)
