"""Made-up texture: fur, cloth and plaster that look like noise, and are to stay.

A teacher takes such texture away, and mild photos hold little of it, so a student would learn that there
is none. What tells it from noise is that it fades with the light, has the colour of what it is on, and
exceeds the noise that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.training.seeded_random import random_uniform, white_noise

# How steeply texture fades out at a patch's border, per standard deviation of the field that makes patches.
_BORDER = 4.0


@dataclass(frozen=True)
class Texture:
    """A texture with a Gaussian spectrum. Widths are standard deviations in pixels.

    Attributes:
        contrast: Standard deviation of the logarithm of the light that it reflects.
        along, across: How far it is correlated, in two directions at right angles.
        angle: Of `along`, in radians.
        patch: Width of the patches that have it; the rest of the picture has none.
    """

    contrast: float
    along: float
    across: float
    angle: float
    patch: float


def draw_texture(generator: torch.Generator) -> Texture:
    """Draws one, from plaster that is hardly seen to fur with strands."""
    return Texture(
        contrast=math.exp(random_uniform(math.log(0.03), math.log(0.4), generator)),
        along=random_uniform(0.5, 3.0, generator),
        across=random_uniform(0.4, 1.3, generator),
        angle=random_uniform(0, math.pi, generator),
        patch=random_uniform(8, 40, generator),
    )


def add_texture(
    pictures: Tensor, textures: Sequence[Texture], generators: Sequence[torch.Generator]
) -> Tensor:
    """Lays textures onto pictures.

    Args:
        pictures: (B, 3, H, W) sRGB in [0, 1].
        textures: One for each picture.
        generators: Source of each picture's randomness, on the pictures' device.

    Returns:
        (B, 3, H, W) sRGB in [0, 1].
    """
    shape, device = pictures.shape[-2:], pictures.device
    spectra = torch.fft.rfft2(white_noise((2, *shape), generators)) * _responses(textures, shape, device)
    fields = torch.fft.irfft2(spectra, s=shape)
    fields = fields / fields.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-9)
    contrast = to_device(torch.tensor([texture.contrast for texture in textures]), device)
    # sRGB is about the 2.4th root of light.
    logarithm = fields[:, :1] * torch.sigmoid(_BORDER * fields[:, 1:]) * contrast[:, None, None, None] / 2.4
    return pictures.mul(logarithm.exp()).clamp(0, 1)


def _responses(textures: Sequence[Texture], shape: torch.Size, device: torch.device) -> Tensor:
    """Returns (B, 2, H, W // 2 + 1): what the frequencies of a texture and of its patches are times."""
    values = [(texture.along, texture.across, texture.angle, texture.patch) for texture in textures]
    along, across, angle, patch = to_device(torch.tensor(values), device).T[..., None, None]
    rows = torch.fft.fftfreq(shape[0], device=device)[:, None]
    columns = torch.fft.rfftfreq(shape[1], device=device)
    cosine, sine = angle.cos(), angle.sin()
    lengthways, crossways = cosine * columns + sine * rows, cosine * rows - sine * columns
    exponent = (along * lengthways) ** 2 + (across * crossways) ** 2
    patches = patch**2 * (rows**2 + columns**2)
    return torch.exp(-2 * math.pi**2 * torch.stack([exponent, patches], dim=1))
