"""What training samples are made of: clean photos, real pairs, and photos of cameras."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.ops.progress import counted
from nsp_cli.training.data.clean_photos import PicturePair
from nsp_cli.training.data.derived import as_16_bits, derived_name
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.distillation.folder_noise import FolderNoise
from nsp_cli.training.distillation.teacher_data import TeacherDataset
from nsp_cli.training.simulation.flat_patches import PATCH_SIDE, find_flat_patches


@dataclass(frozen=True, eq=False)
class FlatPatch:
    """A flat patch of a camera photo, 128×128 pixels, whose residual is the camera's noise.

    Attributes:
        photo: The photo.
        top, left: Corner of the patch.
        brightness: Mean brightness in [0, 1].
        profile: Noise of the whole photo, which says how noise depends on brightness.
    """

    photo: TrainingPhoto
    top: int
    left: int
    brightness: float
    profile: NoiseProfile


@dataclass(frozen=True, eq=False)
class SampleSources:
    """All that samples are drawn from; any part may be missing.

    Attributes:
        clean: Photos without noise.
        pairs: Real pairs.
        cameras: Photos of cameras, and what a teacher made of them; None without.
        flats: Flat patches of each camera photo that has some.
        own: Noise of the photos that a student is adapted to.
        is_grey: Whether those are all black and white.
        is_fine: Whether they have more than 8 bits.
    """

    clean: tuple[TrainingPhoto, ...] = ()
    pairs: tuple[PicturePair, ...] = ()
    cameras: TeacherDataset | None = None
    flats: tuple[tuple[FlatPatch, ...], ...] = ()
    own: FolderNoise | None = None
    is_grey: bool = False
    is_fine: bool = False

    @property
    def checksum(self) -> int:
        """Checksum of all sources, so that no run is resumed with other ones unnoticed."""
        parts = (
            [photo.checksum for photo in self.clean],
            [(pair.noisy.checksum, pair.clean.checksum) for pair in self.pairs],
            self.cameras.checksum if self.cameras else 0,
            [[(patch.top, patch.left) for patch in patches] for patches in self.flats],
        )
        return zlib.crc32(repr(parts).encode())

    def describe(self) -> str:
        """Numbers of photos, for the user."""
        parts = [self.cameras.pool.describe()] if self.cameras else []
        parts += [counted(len(self.clean), "clean picture")] if self.clean else []
        parts += [counted(len(self.pairs), "pair")] if self.pairs else []
        return ", ".join(parts)


def find_flats(
    photos: Sequence[TrainingPhoto], profiles: Sequence[NoiseProfile], cache: PhotoCache
) -> tuple[tuple[FlatPatch, ...], ...]:
    """Finds the flat patches of photos, or their places in the cache.

    Args:
        photos: Photos of cameras.
        profiles: Noise of each.
        cache: Cache for the places; a large photo takes seconds to search.

    Raises:
        OutputError: The disk is full.
    """
    found = (_flats_of(photo, profile, cache) for photo, profile in zip(photos, profiles, strict=True))
    return tuple(patches for patches in found if patches)


def _flats_of(photo: TrainingPhoto, profile: NoiseProfile, cache: PhotoCache) -> tuple[FlatPatch, ...]:
    name = derived_name(photo, "flats")
    if cache.shape(name) is None:
        grey = to_unit_range(as_16_bits(photo)).mean(0)
        cache.store(name, np.array(find_flat_patches(grey), np.int32).reshape(-1, 2))
    places = np.load(cache.path(name)).tolist()
    return tuple(FlatPatch(photo, top, left, _brightness(photo, top, left), profile) for top, left in places)


def _brightness(photo: TrainingPhoto, top: int, left: int) -> float:
    return float(to_unit_range(torch.from_numpy(photo.read(top, left, PATCH_SIDE, PATCH_SIDE))).mean())
