"""Photos by camera and ISO speed, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from nsp_cli.training.data.pool import TrainingPhoto

GroupBy = Literal["camera", "iso", "camera-iso"]


@dataclass(frozen=True)
class PhotoGroup:
    """Photos of one kind.

    Attributes:
        name: What they share.
        photos: How many there are.
        megapixels: What they hold.
        noise: Median noise level, as `pool.noise_level` measures it.
    """

    name: str
    photos: int
    megapixels: float
    noise: float


def group_name(photo: TrainingPhoto, by: GroupBy) -> str:
    """Names the group that a photo belongs to."""
    camera = photo.facts.camera or "camera unknown"
    iso = f"ISO {photo.facts.iso}" if photo.facts.iso else "ISO unknown"
    return {"camera": camera, "iso": iso, "camera-iso": f"{camera}, {iso}"}[by]


def group_photos(photos: Sequence[TrainingPhoto], by: GroupBy) -> list[PhotoGroup]:
    """Sorts photos into groups, by camera and rising ISO."""
    by_camera = by != "iso"
    order = sorted(photos, key=lambda photo: (photo.facts.camera * by_camera, photo.facts.iso or 0))
    members: dict[str, list[TrainingPhoto]] = {}
    for photo in order:
        members.setdefault(group_name(photo, by), []).append(photo)
    return [
        PhotoGroup(name, len(found), sum(p.megapixels for p in found), median(p.noise for p in found))
        for name, found in members.items()
    ]
