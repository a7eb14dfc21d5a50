"""Synthetic texture: fur, cloth and plaster that look like noise but must be kept.

The teacher removes such texture, and photos with mild noise contain little of it, so a student would learn to
remove it too. It differs from noise in three ways: it is fainter in the dark, it has the colour of its
background, and it is stronger than the noise of the conditioning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.training.seeded_random import random_log_uniform, random_uniform, white_noise

# Steepness of a patch's border, per standard deviation of the random field that forms the patches.
_BORDER = 4.0


@dataclass(frozen=True)
class Texture:
    """A texture with a Gaussian spectrum. Widths are standard deviations in pixels.

    Attributes:
        contrast: Standard deviation of the logarithm of the reflected light.
        along, across: Correlation widths in two directions at right angles.
        angle: Direction of `along` in radians.
        patch: Width of the patches with texture; the rest of the picture has none.
    """

    contrast: float
    along: float
    across: float
    angle: float
    patch: float


def draw_texture(generator: torch.Generator) -> Texture:
    """Draws a texture, from faint plaster to fur with strands."""
    return Texture(
        contrast=random_log_uniform(0.03, 0.4, generator),
        along=random_uniform(0.5, 3.0, generator),
        across=random_uniform(0.4, 1.3, generator),
        angle=random_uniform(0, math.pi, generator),
        patch=random_uniform(8, 40, generator),
    )


def add_texture(
    pictures: Tensor, textures: Sequence[Texture], generators: Sequence[torch.Generator]
) -> Tensor:
    """Adds textures to pictures.

    Args:
        pictures: (B, 3, H, W) sRGB in [0, 1].
        textures: Texture of each picture.
        generators: Random generator of each picture, on the pictures' device.

    Returns:
        (B, 3, H, W) sRGB in [0, 1].
    """
    shape, device = pictures.shape[-2:], pictures.device
    spectra = torch.fft.rfft2(white_noise((2, *shape), generators)) * _responses(textures, shape, device)
    fields = torch.fft.irfft2(spectra, s=shape)
    fields = fields / fields.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-9)
    contrast = to_device(torch.tensor([texture.contrast for texture in textures]), device)
    # An sRGB value is about the 2.4th root of the light.
    logarithm = fields[:, :1] * torch.sigmoid(_BORDER * fields[:, 1:]) * contrast[:, None, None, None] / 2.4
    return pictures.mul(logarithm.exp()).clamp(0, 1)


def _responses(textures: Sequence[Texture], shape: torch.Size, device: torch.device) -> Tensor:
    """Frequency responses of the textures and of their patches, (B, 2, H, W // 2 + 1)."""
    values = [(texture.along, texture.across, texture.angle, texture.patch) for texture in textures]
    along, across, angle, patch = to_device(torch.tensor(values), device).T[..., None, None]
    rows = torch.fft.fftfreq(shape[0], device=device)[:, None]
    columns = torch.fft.rfftfreq(shape[1], device=device)
    cosine, sine = angle.cos(), angle.sin()
    lengthways, crossways = cosine * columns + sine * rows, cosine * rows - sine * columns
    exponent = (along * lengthways) ** 2 + (across * crossways) ** 2
    patches = patch**2 * (rows**2 + columns**2)
    return torch.exp(-2 * math.pi**2 * torch.stack([exponent, patches], dim=1))
