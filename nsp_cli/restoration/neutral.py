"""What of a photo's look must survive whatever the network answers."""

from __future__ import annotations

from torch import Tensor

from nsp_cli.ops.pixels import from_unit_range, to_unit_range


def is_neutral(photo: Tensor) -> bool:
    """Whether a (3, H, W) photo is black and white in three equal channels."""
    return bool((photo[0] == photo[1]).all() and (photo[1] == photo[2]).all())


def neutral(picture: Tensor) -> Tensor:
    """A (3, H, W) picture with the mean of its channels in each of them, of the same type."""
    grey = from_unit_range(to_unit_range(picture).mean(0, keepdim=True), picture.dtype)
    return grey.expand_as(picture)
