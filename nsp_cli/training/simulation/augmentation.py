"""Augmentation of clean pictures before they get noise: brightness, colour cast, blur and texture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.training.seeded_random import random_event, random_uniform
from nsp_cli.training.simulation.texture import Texture, add_texture, draw_texture

# Ranges and probabilities. Gains are powers of e, mostly below 1, because night scenes are dark.
_LOG_GAINS = (-1.3, 0.1)
_CASTS = (0.8, 1.1)
_BLURS, _BLURRED = (0.3, 1.1), 0.45
_TEXTURED = 0.4
# Radius of the blur kernel in pixels: about three standard deviations of the widest blur.
_TAPS = 3


@dataclass(frozen=True)
class Augmentation:
    """Changes to a picture before it gets noise.

    Attributes:
        gains: Factors of red, green and blue.
        blur: Standard deviation of a Gaussian blur in pixels; 0 for none.
        texture: Texture to add; None for none.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    texture: Texture | None = None


def draw_augmentation(generator: torch.Generator) -> Augmentation:
    """Draws a brightness, and sometimes a colour cast, a blur and a texture."""
    gain = math.exp(random_uniform(*_LOG_GAINS, generator)) if random_event(0.5, generator) else 1.0
    has_cast = random_event(0.3, generator)
    red, green, blue = (gain * random_uniform(*_CASTS, generator) if has_cast else gain for _ in range(3))
    return Augmentation(
        (red, green, blue),
        random_uniform(*_BLURS, generator) if random_event(_BLURRED, generator) else 0.0,
        draw_texture(generator) if random_event(_TEXTURED, generator) else None,
    )


def augment(
    pictures: Tensor, augmentations: Sequence[Augmentation], generator_of: Callable[[int], torch.Generator]
) -> Tensor:
    """Applies augmentations.

    Args:
        pictures: (B, 3, H, W) sRGB in [0, 1].
        augmentations: Augmentation of each picture.
        generator_of: Returns the random generator of the picture with that index, on the pictures' device;
            called only for pictures that get texture.

    Returns:
        (B, 3, H, W) sRGB in [0, 1].
    """
    gains = torch.tensor([augmentation.gains for augmentation in augmentations])[..., None, None]
    pictures = pictures * to_device(gains, pictures.device)
    blurred = [index for index, augmentation in enumerate(augmentations) if augmentation.blur]
    if blurred:
        places = to_device(torch.tensor(blurred), pictures.device)
        pictures[places] = _blurred(pictures[places], [augmentations[index].blur for index in blurred])
    return _textured(pictures.clamp_(0, 1), augmentations, generator_of)


def _blurred(pictures: Tensor, widths: Sequence[float]) -> Tensor:
    distance = torch.arange(-_TAPS, _TAPS + 1)
    taps = torch.exp(-(distance**2) / (2 * torch.tensor(widths)[:, None] ** 2))
    taps = to_device((taps / taps.sum(1, keepdim=True)).repeat_interleave(3, 0), pictures.device)
    # One convolution with a group for each plane, so that each picture has its own kernel.
    planes = functional.pad(pictures.flatten(0, 1)[None], (_TAPS,) * 4, mode="reflect")
    rows = functional.conv2d(planes, taps[:, None, :, None], groups=len(taps))
    columns = functional.conv2d(rows, taps[:, None, None], groups=len(taps))
    return columns.view_as(pictures)


def _textured(
    pictures: Tensor, augmentations: Sequence[Augmentation], generator_of: Callable[[int], torch.Generator]
) -> Tensor:
    chosen = [
        (index, texture, generator_of(index))
        for index, augmentation in enumerate(augmentations)
        if (texture := augmentation.texture)
    ]
    if chosen:
        indices, textures, own = zip(*chosen, strict=True)
        places = to_device(torch.tensor(indices), pictures.device)
        pictures[places] = add_texture(pictures[places], textures, own)
    return pictures
