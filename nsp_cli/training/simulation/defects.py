"""Defects of sensors and of camera processing: banding, coarse blotches of colour, hot and dead pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.block_dct import from_luma_chroma
from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.smooth_field import smooth_field

# Chances of each defect.
_BANDED, _BLOTCHED, _HOT = 0.03, 0.16, 0.14
# Share of the defective pixels that are defective in all colours, and of those that are dead.
_ALL_COLOURS, _DEAD = 0.2, 0.15


@dataclass(frozen=True)
class Banding:
    """What whole rows, or columns, have in common.

    Attributes:
        level: Level relative to the other noise.
        thickness: Rows over which it is averaged, odd.
        is_coloured: Whether each colour has its own.
        is_upright: Whether columns have it.
    """

    level: float
    thickness: int
    is_coloured: bool
    is_upright: bool


@dataclass(frozen=True)
class Blotches:
    """Coarse chroma noise, which noise reduction leaves.

    Attributes:
        levels: Level in both chroma planes, with white at 1.
        width: Width in pixels.
        kept: Share of the other noise that the noise reduction leaves.
    """

    levels: tuple[float, float]
    width: float
    kept: float


@dataclass(frozen=True)
class HotPixels:
    """Pixels that are much too bright, or dead.

    Attributes:
        share: Share of all pixels.
        is_demosaiced: Whether demosaicing has spread them over their neighbours.
    """

    share: float
    is_demosaiced: bool


@dataclass(frozen=True)
class Defects:
    """The defects of a picture; None for those that it does not have."""

    banding: Banding | None = None
    blotches: Blotches | None = None
    hot: HotPixels | None = None


def draw_defects(generator: torch.Generator) -> Defects:
    """Draws the defects of a picture; most have none."""
    return Defects(
        _draw_banding(generator) if random_event(_BANDED, generator) else None,
        _draw_blotches(generator) if random_event(_BLOTCHED, generator) else None,
        HotPixels(random_log_uniform(1e-4, 2e-3, generator), random_event(0.6, generator))
        if random_event(_HOT, generator)
        else None,
    )


def _draw_banding(generator: torch.Generator) -> Banding:
    return Banding(
        random_uniform(0.15, 0.8, generator),
        3 if random_below(3, generator) == 0 else 1,
        random_event(0.4, generator),
        random_event(0.3, generator),
    )


def _draw_blotches(generator: torch.Generator) -> Blotches:
    first, second = (random_log_uniform(1, 14, generator) / 255 for _ in range(2))
    width, kept = random_log_uniform(2, 7, generator), random_uniform(0.2, 1, generator)
    return Blotches((first, second), width, kept)


def with_defects(noise: Tensor, defects: Defects, generator: torch.Generator) -> Tensor:
    """Noise (3, H, W) with defects added, (3, H, W); the generator is on the noise's device."""
    if defects.banding:
        noise = noise + noise.std() * _banded(defects.banding, noise, generator)
    if defects.blotches:
        noise = noise * defects.blotches.kept + _blotched(defects.blotches, noise, generator)
    if defects.hot:
        noise = noise + _spikes(defects.hot, noise, generator)
    return noise


def _banded(banding: Banding, noise: Tensor, generator: torch.Generator) -> Tensor:
    channels, (height, width) = 3 if banding.is_coloured else 1, noise.shape[-2:]
    count, reach = width if banding.is_upright else height, banding.thickness // 2
    lines = torch.randn(channels, count, generator=generator, device=noise.device)
    lines = functional.avg_pool1d(functional.pad(lines, (reach, reach), mode="reflect"), banding.thickness, 1)
    lines = lines / lines.std() * banding.level
    return lines[:, None] if banding.is_upright else lines[..., None]


def _blotched(blotches: Blotches, noise: Tensor, generator: torch.Generator) -> Tensor:
    shape = (noise.shape[-2], noise.shape[-1])
    chroma = [level * smooth_field(shape, blotches.width, generator) for level in blotches.levels]
    return from_luma_chroma(torch.stack([torch.zeros_like(chroma[0]), *chroma]))


def _spikes(hot: HotPixels, noise: Tensor, generator: torch.Generator) -> Tensor:
    device = noise.device
    chosen, strength, dead, every = torch.rand(4, *noise.shape[1:], generator=generator, device=device)
    colour = torch.randint(3, noise.shape[1:], generator=generator, device=device)
    is_seen = (torch.arange(3, device=device)[:, None, None] == colour) | (every < _ALL_COLOURS)
    level = (0.1 + 0.9 * strength) * (chosen < hot.share) * torch.where(dead < _DEAD, -1.0, 1.0)
    return _spread(level * is_seen) if hot.is_demosaiced else level * is_seen


def _spread(spikes: Tensor) -> Tensor:
    """Spikes (3, H, W) as bilinear demosaicing leaves them."""
    kernel = spikes.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]).expand(1, 1, 3, 3) / 4
    return functional.conv2d(spikes[:, None], kernel, padding=1)[:, 0]
