"""The noise of a folder, taken from flat places of its photos and laid onto other pictures.

Whatever a camera or a scanner does to noise is in there: grain, bands, blotches, and how all that grows with
brightness. Nothing is modelled but the level by brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.noise.synthesis import sample_noise
from nsp_cli.training.seeded_random import random_below, random_event
from nsp_cli.training.simulation.flat_patches import PATCH_SIDE, residual_of

# Patches as bright as one, to each side in the order of brightness, whose levels it is compared with; and
# what its level may be over that of the quiet ones among them. Others hold texture too.
_NEIGHBOURS, _QUIET, _MOST = 5, 0.3, 1.3
# Fewest patches that show the noise of some photos, and the least share of all: where more are too uneven,
# the photos differ in noise. So they do where the levels of the others, relative to those of like brightness,
# have a high quantile of more than so many times the low one.
_FEWEST, _LEAST_SHARE = 4, 0.7
_LOW, _HIGH, _MOST_DIFFERENT = 0.1, 0.9, 1.5
# Factor between two levels of noise that pass for the same. Where noise is added once more to judge weights,
# stronger noise than the photo's own favours weights that smooth, and weaker noise those that leave noise.
_AS_NOISY = 1.25
# Points of brightness at which the level is known, and the patches that each is the median of.
_POINTS, _NEAREST = 9, 8
# Patches of which the one as bright as the picture is taken; the square whose mean is a pixel's brightness.
_TRIED, _AROUND = 4, 5
# Factors by which brightness changes the level of a patch, at most.
_FACTORS = (0.4, 2.5)


class NoiseSource(Protocol):
    """Gives noise of some photos."""

    def sample(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        """Noise for a picture.

        Args:
            picture: (3, H, W) in [0, 1], at least 16×16, which the noise will be added to.
            generator: Random generator, on the CPU as the picture.

        Returns:
            (3, H, W), as strong as at the picture's brightness.
        """


@dataclass(frozen=True, eq=False)
class MeasuredSource:
    """Noise as it was measured on one of some photos, drawn anew for each picture."""

    profiles: tuple[NoiseProfile, ...]

    def sample(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        profile = self.profiles[random_below(len(self.profiles), generator)]
        return sample_noise(profile, picture, generator)


@dataclass(frozen=True, eq=False)
class OwnNoise:
    """Noise of flat places of some photos, which it is a mosaic of.

    Attributes:
        patches: (N, 3, 128, 128) noise, with white at 1.
        brightness: (N,) mean brightness of the places that they are from, in [0, 1].
        curve: (9,) level at brightness 0 to 1.
    """

    patches: Tensor
    brightness: Tensor
    curve: Tensor

    def sample(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        height, width = picture.shape[-2:]
        noise = picture.new_zeros(3, height, width)
        for top in range(0, height, PATCH_SIDE):
            for left in range(0, width, PATCH_SIDE):
                place = (..., slice(top, top + PATCH_SIDE), slice(left, left + PATCH_SIDE))
                noise[place] = self._patch(picture[place], generator)
        return noise

    def agrees_with(self, patches: Tensor) -> bool:
        """Whether the quietest of another photo's flat places (N, 3, 128, 128) is as noisy; False if none.

        The others may hold texture.
        """
        if not len(patches):
            return False
        ratios = residual_of(patches).std((1, 2, 3)) / self.level(patches.mean((1, 2, 3)))
        return 1 / _AS_NOISY < float(ratios.min()) < _AS_NOISY

    def _patch(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        """Noise of one patch, fitted to the part of a picture that it covers."""
        tried = [random_below(len(self.patches), generator) for _ in range(_TRIED)]
        brightness = float(picture.mean())
        chosen = min(tried, key=lambda index: abs(float(self.brightness[index]) - brightness))
        noise = self.patches[chosen]
        # Mirrored but not turned: bands lie along rows.
        for axis in (1, 2):
            noise = noise.flip(axis) if random_event(0.5, generator) else noise
        there = self.level(self.brightness[chosen])
        factor = self.level(_local_brightness(picture)) / there
        return noise[:, : picture.shape[-2], : picture.shape[-1]] * factor.clamp(*_FACTORS)

    def level(self, brightness: Tensor) -> Tensor:
        """Level at each brightness, linear between the points of the curve."""
        place = brightness.clamp(0, 1) * (_POINTS - 1)
        low = place.long().clamp(max=_POINTS - 2)
        return torch.lerp(self.curve[low], self.curve[low + 1], place - low)


def _local_brightness(picture: Tensor) -> Tensor:
    """Brightness about each pixel, (H, W)."""
    grey, edge = picture.mean(0)[None, None], _AROUND // 2
    return functional.avg_pool2d(functional.pad(grey, [edge] * 4, mode="replicate"), _AROUND, 1)[0, 0]


def find_own_noise(patches: Tensor) -> OwnNoise | None:
    """Noise of the flat patches that hold nothing else; None if there are too few, or if it is not the same.

    What looks flat beside strong noise may be faint texture. It shows in comparison with the other patches:
    noise is as strong in all that are as bright.

    Args:
        patches: (N, 3, 128, 128) flat places in [0, 1], of any photos with the same noise.
    """
    if len(patches) < _FEWEST:
        return None
    patches = patches[patches.mean((1, 2, 3)).argsort()]
    noise, brightness = residual_of(patches), patches.mean((1, 2, 3))
    kept = _is_noise_alone(noise.std((1, 2, 3)))
    noise, brightness = noise[kept], brightness[kept]
    if len(noise) < max(_FEWEST, _LEAST_SHARE * len(kept)):
        return None
    levels = noise.std((1, 2, 3)).clamp(min=1e-6)
    own = OwnNoise(noise, brightness, _curve(levels, brightness))
    relative = levels / own.level(brightness)
    is_alike = relative.quantile(_HIGH) < _MOST_DIFFERENT * relative.quantile(_LOW)
    return own if is_alike else None


def _is_noise_alone(levels: Tensor) -> Tensor:
    """Which patches are no noisier than others of their brightness, by which they are ordered, (N,) bool."""
    near = (levels[max(0, n - _NEIGHBOURS) : n + _NEIGHBOURS + 1] for n in range(len(levels)))
    return levels <= _MOST * torch.stack([some.quantile(_QUIET) for some in near])


def _curve(levels: Tensor, brightness: Tensor) -> Tensor:
    """Median level of the patches nearest to each point of brightness."""
    points = torch.linspace(0, 1, _POINTS)
    nearest = (brightness - points[:, None]).abs().argsort(dim=1)[:, :_NEAREST]
    return levels[nearest].median(dim=1).values
