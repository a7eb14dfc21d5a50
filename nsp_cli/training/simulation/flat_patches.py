"""Flat patches of photos: what a smooth surface leaves of them is the noise of a real camera.

No simulation is involved, so such noise has all that cameras do to it. It is known only where the scene is
flat, and is carried from there to other pictures.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

# Side of a patch, distance of the places that are tried, and the most patches of one photo.
PATCH_SIDE = 128
_STEP, _MOST = 32, 6
# Degree of the polynomial in rows and columns that stands for a flat scene.
_DEGREE = 3
# Side of the parts of a patch that are compared with each other.
_PART = 16
# The noise of a patch is alike in all its parts: a high quantile of the parts' levels over a low one. Its
# coarse waves are no stronger than noise makes them: deviation of the parts' means over the mean level.
_LOW_AND_HIGH = (0.1, 0.97)
_UNEVEN, _WAVY = 2.0, 0.55
# The same ratio with the scene still in the parts, from which no smooth surface is worth fitting.
_HOPELESS = 2 * _UNEVEN
# The scene's own range, at most, and the share of values at black or white.
_STEEP, _CLIPPED = 25 / 255, 0.02
# The noise at most, of photos that look clean.
_NOISY = 14 / 255
# Mean brightness of a patch, and the level below which rounding hides what is compared.
_DARKEST, _BRIGHTEST, _ROUNDING = 8 / 255, 246 / 255, 0.15 / 255
# Patches may overlap by a quarter.
_APART = PATCH_SIDE * 3 // 4


def find_flat_patches(grey: Tensor, *, noisiest: float = _NOISY) -> list[tuple[int, int]]:
    """Finds patches that show nothing but a smooth surface.

    Args:
        grey: (H, W) brightness of a photo in [0, 1].
        noisiest: Strongest noise of a patch, where white is 1. Texture may be as strong.

    Returns:
        Rows and columns of up to six patches' corners, the flattest first. Those of a clean
        photo hold no noise.
    """
    if min(grey.shape) < PATCH_SIDE:
        return []
    places = [
        (score, row * _STEP, left)
        for row, is_likely in enumerate(_likely(grey))
        for left, score in _scores(grey[row * _STEP :][:PATCH_SIDE], is_likely.nonzero().flatten(), noisiest)
    ]
    chosen: list[tuple[int, int]] = []
    for _, top, left in sorted(places):
        if all(max(abs(top - row), abs(left - column)) >= _APART for row, column in chosen):
            chosen.append((top, left))
    return chosen[:_MOST]


def residual_of(patch: Tensor) -> Tensor:
    """What a smooth surface leaves of a (…, 128, 128) patch, the same shape."""
    basis = _surfaces()
    values = patch.flatten(-2)
    return (values - values @ basis @ basis.T).view_as(patch)


def _likely(grey: Tensor) -> Tensor:
    """Which patches are about as uneven as noise, (rows, columns) bool; much faster than fitting surfaces."""
    mean, square = (functional.avg_pool2d(grey[None] ** power, _PART)[0] for power in (1, 2))
    levels = (square - mean**2).clamp(min=0).sqrt()
    count, step = PATCH_SIDE // _PART, _STEP // _PART
    parts = levels.unfold(0, count, step).unfold(1, count, step).flatten(2)
    low, high = (parts.quantile(share, dim=2) for share in _LOW_AND_HIGH)
    return high < _HOPELESS * low.clamp(min=_ROUNDING)


def _scores(strip: Tensor, chosen: Tensor, noisiest: float) -> list[tuple[int, float]]:
    """Columns of the flat ones of the chosen patches in a strip (128, W), and how uneven each is."""
    if not len(chosen):
        return []
    patches = strip.unfold(1, PATCH_SIDE, _STEP)[:, chosen].movedim(1, 0)
    noise = residual_of(patches)
    parts = noise.unfold(1, _PART, _PART).unfold(2, _PART, _PART).flatten(3).flatten(1, 2)
    levels = parts.std(2)
    low, high = (levels.quantile(share, dim=1) for share in _LOW_AND_HIGH)
    uneven = high / low.clamp(min=_ROUNDING)
    wavy = parts.mean(2).std(1) / levels.mean(1).clamp(min=_ROUNDING)
    brightness, clipped = patches.mean((1, 2)), ((patches < 1.5 / 255) | (patches > 253.5 / 255)).float()
    is_flat = (
        (uneven < _UNEVEN)
        & (wavy < _WAVY)
        & ((patches - noise).std((1, 2)) < _STEEP)
        & (levels.mean(1) < noisiest)
        & (brightness > _DARKEST)
        & (brightness < _BRIGHTEST)
        & (clipped.mean((1, 2)) < _CLIPPED)
    )
    return [(int(chosen[n]) * _STEP, float(uneven[n] + wavy[n])) for n in is_flat.nonzero().flatten()]


@lru_cache(maxsize=1)
def _surfaces() -> Tensor:
    """Orthonormal polynomials over a patch, (128², 10)."""
    place = torch.linspace(-1, 1, PATCH_SIDE, dtype=torch.float64)
    terms = [
        torch.outer(place**row, place**column).flatten()
        for row in range(_DEGREE + 1)
        for column in range(_DEGREE + 1 - row)
    ]
    basis: Tensor = torch.linalg.qr(torch.stack(terms, dim=1)).Q
    return basis.float().contiguous()
