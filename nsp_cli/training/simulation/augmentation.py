"""Augmentation of clean pictures before they get noise: brightness, colours, blur and texture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.blur import gaussian_blurred
from nsp_cli.training.simulation.texture import Texture, add_texture, draw_texture

# Ranges and probabilities. Gains are powers of e, mostly below 1, because night scenes are dark.
_LOG_GAINS = (-1.3, 0.1)
_CASTS = (0.8, 1.1)
_BLURS, _BLURRED = (0.3, 1.1), 0.45
_TEXTURED = 0.2
# Exposures of dark pictures in linear light, and the exponent that undoes a tone curve about.
_DARK, _GAMMA = (0.03, 0.6), 2.2
# Chance of a grey or toned picture, chance that it is grey, and the green and blue of a sepia tone.
_TONED, _GREY, _SEPIA = 0.09, 0.75, ((0.8, 1.0), (0.5, 0.95))
# Luma of an sRGB value (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)
# Radius of the blur kernel in pixels: about three standard deviations of the widest blur.
_TAPS = 3


@dataclass(frozen=True)
class Augmentation:
    """Changes to a picture before it gets noise.

    Attributes:
        gains: Factors of red, green and blue.
        blur: Standard deviation of a Gaussian blur in pixels; 0 for none.
        texture: Texture to add; None for none.
        exposure: Factor in linear light of a picture that gets no tone curve; None for one that has it.
        tone: Red, green and blue of a picture in shades of one colour, grey or sepia; None for one in
            colour. Its noise has that colour too (`toned`).
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    texture: Texture | None = None
    exposure: float | None = None
    tone: tuple[float, float, float] | None = None


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


def draw_exposure(generator: torch.Generator) -> float:
    """Draws the exposure of a dark picture in linear light."""
    return random_log_uniform(*_DARK, generator)


def draw_tone(generator: torch.Generator) -> tuple[float, float, float] | None:
    """Draws grey or sepia; None for most pictures, which are in colour."""
    if not random_event(_TONED, generator):
        return None
    if random_event(_GREY, generator):
        return (1.0, 1.0, 1.0)
    green, blue = (random_uniform(*ends, generator) for ends in _SEPIA)
    return (1.0, green, blue)


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
        widths = [augmentations[index].blur for index in blurred]
        pictures[places] = gaussian_blurred(pictures[places], widths, _TAPS)
    pictures = _textured(pictures.clamp_(0, 1), augmentations, generator_of)
    for index, augmentation in enumerate(augmentations):
        if augmentation.exposure is not None:
            pictures[index] = pictures[index] ** _GAMMA * augmentation.exposure
        if augmentation.tone is not None:
            pictures[index] = toned(pictures[index], augmentation.tone)
    return pictures


def toned(picture: Tensor, tone: tuple[float, float, float]) -> Tensor:
    """The luma of a picture, or of noise, (3, H, W), in shades of one colour."""
    luma = torch.einsum("i,ihw->hw", picture.new_tensor(_LUMA), picture)
    return picture.new_tensor(tone)[:, None, None] * luma


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
