"""Holding out: training and judging never share a pixel, and all kinds of photos are held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nsp_cli.photo import CameraFacts
from nsp_cli.training.data.groups import group_photos
from nsp_cli.training.data.hold_out import HELD_OUT_SIDE, LEAST_HELD_OUT_SIDE, REGION_COUNT, hold_out
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto


def photo(number: int, height: int, width: int, noise: float = 1.0, **facts: object) -> TrainingPhoto:
    file = Path(f"{number}.npy")
    return TrainingPhoto(file, file, 0, 0, height, width, noise, CameraFacts(**facts), number)  # type: ignore[arg-type]


def pool_of(*photos: TrainingPhoto) -> PhotoPool:
    return PhotoPool(photos, (), len(photos))


def covered(photos: tuple[TrainingPhoto, ...], file: Path, shape: tuple[int, int]) -> np.ndarray:
    """Number of windows that cover each pixel of a file."""
    count = np.zeros(shape, int)
    for p in photos:
        if p.file == file:
            assert p.top + p.height <= shape[0]
            assert p.left + p.width <= shape[1]
            count[p.top : p.top + p.height, p.left : p.left + p.width] += 1
    return count


@pytest.mark.parametrize("count", [1, 3, 7, 8, 63])
@pytest.mark.parametrize("shape", [(1300, 900), (500, 700), (400, 2400)])
def test_held_out_regions_are_not_trained_on(count, shape):
    photos = [photo(n, *shape, noise=n) for n in range(count)]
    rest, regions = hold_out(pool_of(*photos))
    assert rest.photos
    assert 0 < len(regions) <= REGION_COUNT
    for p in photos:
        together = covered(rest.photos + regions, p.file, shape)
        assert together.max() <= 1, "a pixel is in both sets or in two regions"
    assert all(r.side >= LEAST_HELD_OUT_SIDE and max(r.height, r.width) <= HELD_OUT_SIDE for r in regions)


def test_few_photos_lose_a_quarter_and_many_a_fifth():
    rest, _ = hold_out(pool_of(*(photo(n, 1000, 2000) for n in range(3))))
    assert rest.megapixels == pytest.approx(3 * 2 * 0.75)
    rest, _ = hold_out(pool_of(*(photo(n, 1000, 2000) for n in range(50))))
    assert len(rest.photos) == 40


def test_all_kinds_are_held_out():
    kinds = [{"camera": camera, "iso": iso} for camera in "ab" for iso in (100, 6400)]
    photos = [photo(n, 600, 600, noise=n % 7, **kinds[n // 10]) for n in range(40)]
    _, regions = hold_out(pool_of(*photos))
    assert {(r.facts.camera, r.facts.iso) for r in regions} == {(k["camera"], k["iso"]) for k in kinds}


def test_a_single_large_photo_gives_several_regions():
    _, regions = hold_out(pool_of(photo(0, 4000, 6000)))
    assert len(regions) >= 8


def test_small_photos_are_all_trained_on():
    pool = pool_of(photo(0, 250, 300), photo(1, 150, 1000))
    assert hold_out(pool) == (pool, ())


class TestGroups:
    PHOTOS = (
        photo(0, 1000, 1000, noise=2.0, camera="X100", iso=3200),
        photo(1, 1000, 2000, noise=4.0, camera="X100", iso=3200),
        photo(2, 1000, 1000, noise=1.0, camera="X100", iso=200),
        photo(3, 1000, 1000, noise=9.0),
    )

    def test_by_camera_and_iso(self):
        found = {g.name: (g.photos, g.megapixels, g.noise) for g in group_photos(self.PHOTOS, "camera-iso")}
        assert found == {
            "camera unknown, ISO unknown": (1, 1.0, 9.0),
            "X100, ISO 200": (1, 1.0, 1.0),
            "X100, ISO 3200": (2, 3.0, 3.0),
        }

    def test_by_one_of_them_in_rising_order(self):
        assert [g.name for g in group_photos(self.PHOTOS, "iso")] == ["ISO unknown", "ISO 200", "ISO 3200"]
        assert [g.name for g in group_photos(self.PHOTOS, "camera")] == ["camera unknown", "X100"]

    def test_iso_groups_do_not_split_by_camera(self):
        photos = [replace(p, facts=CameraFacts(c, 100)) for p, c in zip(self.PHOTOS, "abab", strict=True)]
        assert len(group_photos(photos, "iso")) == 1
