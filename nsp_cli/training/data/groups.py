"""Groups photos by camera and ISO speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from nsp_cli.training.data.pool import TrainingPhoto

GroupBy = Literal["camera", "iso", "camera-iso"]


@dataclass(frozen=True)
class PhotoGroup:
    """Photos of the same camera or ISO speed.

    Attributes:
        name: Camera, ISO speed or both.
        photos: Number of photos.
        megapixels: Sum of their megapixels.
        noise: Median noise level, from `pool.noise_level`.
    """

    name: str
    photos: int
    megapixels: float
    noise: float


def group_name(photo: TrainingPhoto, by: GroupBy) -> str:
    """Name of the group that a photo belongs to."""
    camera = photo.facts.camera or "camera unknown"
    iso = f"ISO {photo.facts.iso}" if photo.facts.iso else "ISO unknown"
    return {"camera": camera, "iso": iso, "camera-iso": f"{camera}, {iso}"}[by]


def group_photos(photos: Sequence[TrainingPhoto], by: GroupBy) -> list[PhotoGroup]:
    """Groups of the photos, by camera and rising ISO."""
    by_camera = by != "iso"
    order = sorted(photos, key=lambda photo: (photo.facts.camera * by_camera, photo.facts.iso or 0))
    members: dict[str, list[TrainingPhoto]] = {}
    for photo in order:
        members.setdefault(group_name(photo, by), []).append(photo)
    return [
        PhotoGroup(name, len(found), sum(p.megapixels for p in found), median(p.noise for p in found))
        for name, found in members.items()
    ]
