"""The noise of the photos of a folder, by camera and ISO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.photo import CameraFacts
from nsp_cli.training.data.derived import seen_picture
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.distillation.own_noise import (
    MeasuredSource,
    NoiseSource,
    OwnNoise,
    find_own_noise,
)
from nsp_cli.training.seeded_random import WeightedChoice
from nsp_cli.training.simulation.flat_patches import PATCH_SIDE, find_flat_patches

Kind = tuple[str, int | None]
# Strongest noise of a flat place, where white is 1.
_NOISIEST = 60 / 255


@dataclass(frozen=True, eq=False)
class FolderNoise:
    """Noise of each kind of photos: those of the same camera and ISO.

    Attributes:
        sources: Noise of each kind: that of flat places, or as it is measured where they do not show it.
        photos: Number of photos of each kind.
    """

    sources: Mapping[Kind, NoiseSource]
    photos: Mapping[Kind, int]

    @property
    def is_known(self) -> bool:
        """Whether flat places show the noise of some photos."""
        return any(isinstance(source, OwnNoise) for source in self.sources.values())

    def sample(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        """Noise of a photo drawn at random; as `NoiseSource`."""
        kinds = list(self.sources)
        chosen = WeightedChoice(kinds, [self.photos[kind] for kind in kinds]).draw(generator)
        return self.sources[chosen].sample(picture, generator)

    def like(self, photo: Tensor, facts: CameraFacts) -> NoiseSource | None:
        """Noise like that of another photo of the folder; None if its flat places do not confirm it.

        Noise that is only measured would not do: a network that has learned to remove it passes for better
        where it is judged by the same measurement, and may be worse.

        Args:
            photo: (3, H, W) uint8, uint16 or float in [0, 1].
            facts: Its camera and ISO.
        """
        source = self.sources.get(kind_of_photo(facts))
        is_known = isinstance(source, OwnNoise) and source.agrees_with(flat_places(to_unit_range(photo)))
        return source if is_known else None


def kind_of_photo(facts: CameraFacts) -> Kind:
    """What photos have in common that share their noise."""
    return facts.camera, facts.iso


def find_noise(photos: Sequence[TrainingPhoto]) -> FolderNoise:
    """Noise of some photos, from their flat places, or measured where these are few or differ in noise."""
    kinds: dict[Kind, list[TrainingPhoto]] = {}
    for photo in photos:
        kinds.setdefault(kind_of_photo(photo.facts), []).append(photo)
    sources = {kind: _noise_of(some) for kind, some in kinds.items()}
    return FolderNoise(sources, {kind: len(some) for kind, some in kinds.items()})


def _noise_of(photos: Sequence[TrainingPhoto]) -> NoiseSource:
    pictures = [to_unit_range(seen_picture(photo)) for photo in photos]
    own = find_own_noise(torch.cat([flat_places(picture) for picture in pictures]))
    return own or MeasuredSource(tuple(map(estimate_noise, pictures)))


def flat_places(picture: Tensor) -> Tensor:
    """Flat places of a picture, (N, 3, 128, 128); N may be 0."""
    found = find_flat_patches(picture.mean(0), noisiest=_NOISIEST)
    places = [picture[:, top : top + PATCH_SIDE, left : left + PATCH_SIDE] for top, left in found]
    return torch.stack(places) if places else picture.new_empty(0, 3, PATCH_SIDE, PATCH_SIDE)
