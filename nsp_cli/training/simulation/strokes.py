"""Coverage of pixels by lines and polygons: what drawings and letters are made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def stroke(path: Tensor, size: tuple[int, int], *, width: float, is_soft: bool) -> Tensor:
    """Draws a line along a path.

    Args:
        path: (N, 2) rows and columns of its corners in pixels.
        size: Height H and width W of the drawing.
        width: Width of the line in pixels.
        is_soft: Whether pixels may be covered in part.

    Returns:
        (H, W), the covered share of each pixel.
    """
    return _covered(width / 2 - _distance(path, size), is_soft=is_soft)


def fill(path: Tensor, size: tuple[int, int], *, is_soft: bool) -> Tensor:
    """Fills a closed path, by the even-odd rule where it crosses itself; arguments as `stroke`."""
    first, last = path[:, None, None], path.roll(-1, 0)[:, None, None]
    places = _places(size)
    is_between = (first[..., 0] > places[..., 0]) != (last[..., 0] > places[..., 0])
    rise = last[..., 0] - first[..., 0]
    share = (places[..., 0] - first[..., 0]) / torch.where(rise == 0, 1.0, rise)
    is_right = places[..., 1] < first[..., 1] + share * (last[..., 1] - first[..., 1])
    is_inside = (is_between & is_right).sum(0) % 2 == 1
    distance = _distance(torch.cat([path, path[:1]]), size)
    return _covered(torch.where(is_inside, distance, -distance), is_soft=is_soft)


def ellipse(centre: Tensor, radii: Tensor, *, begin: float = 0.0, end: float = 2 * math.pi) -> Tensor:
    """Path (17, 2) of an ellipse, or of its arc between two angles in radians; arguments (2,) in pixels."""
    angle = torch.linspace(begin, end, 17)
    return centre + radii * torch.stack([angle.sin(), angle.cos()], dim=1)


def _distance(path: Tensor, size: tuple[int, int]) -> Tensor:
    """Distance of each pixel's centre from the nearest point of a path, (H, W)."""
    first, last = path[:-1, None, None], path[1:, None, None]
    places, along = _places(size), last - first
    share = ((places - first) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-6)
    away = places - first - share.clamp(0, 1)[..., None] * along
    return away.square().sum(-1).amin(0).sqrt()


def _places(size: tuple[int, int]) -> Tensor:
    """Centres of the pixels, (H, W, 2)."""
    rows, columns = (torch.arange(side) + 0.5 for side in size)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)


def _covered(depth: Tensor, *, is_soft: bool) -> Tensor:
    """Covered share of pixels whose centres lie so deep, in pixels, within a shape."""
    return (depth + 0.5).clamp(0, 1) if is_soft else (depth > 0).float()
