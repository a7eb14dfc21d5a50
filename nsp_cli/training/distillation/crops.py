"""Crops of training photos, turned and mirrored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.seeded_random import WeightedChoice, random_below, random_event

# Side of the squares whose mean pixels are compared with, and the share of the pixels that counts as quiet.
_AROUND, _QUIET = 5, 0.2
# Crops of which the busiest is taken.
_BUSIEST_OF = 5


def draw_crop(photos: Sequence[TrainingPhoto], side: int, generator: torch.Generator) -> list[Tensor]:
    """Cuts the same crop out of photos of equal size, (3, side, side) in [0, 1] each."""
    first = photos[0]
    top, left = (random_below(size - side + 1, generator) for size in (first.height, first.width))
    turns, is_mirrored = random_below(4, generator), random_event(0.5, generator)

    def cut(photo: TrainingPhoto) -> Tensor:
        pixels = np.rot90(photo.read(top, left, side, side), turns)
        pixels = (pixels[:, ::-1] if is_mirrored else pixels).transpose(2, 0, 1)
        return to_unit_range(torch.from_numpy(np.ascontiguousarray(pixels)))

    return [cut(photo) for photo in photos]


def busiest_crop(
    photos: WeightedChoice[TrainingPhoto], side: int, share: float, generator: torch.Generator
) -> Tensor:
    """Cuts a crop (3, side, side) in [0, 1] out of a photo; a share of the crops is the busiest of five."""
    count = _BUSIEST_OF if random_event(share, generator) else 1
    crops = [draw_crop([photos.draw(generator)], side, generator)[0] for _ in range(count)]
    return max(crops, key=activity_of) if count > 1 else crops[0]


def activity_of(picture: Tensor) -> float:
    """How much brightness differs from its surroundings in the quietest fifth of a picture.

    Args:
        picture: (3, H, W) in [0, 1].

    Returns:
        0 if a fifth of the picture is flat; it is high only if there is texture all over.
    """
    grey, edge = picture.mean(0, keepdim=True), _AROUND // 2
    around = functional.avg_pool2d(grey, _AROUND, stride=1)
    return float((grey[:, edge:-edge, edge:-edge] - around).abs().quantile(_QUIET))
