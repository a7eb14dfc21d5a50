"""Crops show what they are chosen for, on pictures where one knows what is where."""

from __future__ import annotations

import numpy as np
import pytest

from nsp_cli.photo import Pixels
from nsp_cli.report.regions import Region, choose_regions

SIDE = 256
# Each quarter of the picture holds one thing, 256 pixels from the edges.
NOISY, TEXTURE, LETTERS, CHANGED = (128, 128), (128, 640), (640, 128), (640, 640)


def place(region: Region) -> tuple[int, int]:
    return region.top, region.left


def patch(picture: Pixels, corner: tuple[int, int]) -> Pixels:
    return picture[corner[0] : corner[0] + SIDE, corner[1] : corner[1] + SIDE]


def versions() -> tuple[Pixels, Pixels]:
    """Makes a picture with noise in one place, texture, letters, and something that was painted out."""
    rng = np.random.default_rng(0)
    after = np.full((1024, 1024, 3), 128, np.uint8)
    patch(after, TEXTURE)[:] = rng.integers(88, 168, (SIDE, SIDE, 1))
    letters = patch(after, LETTERS)
    for row in range(8, SIDE, 48):  # lines of strokes with calm paper between them
        letters[row : row + 12, ::5] = 20
    before = after.copy()
    patch(before, NOISY)[:] = rng.normal(128, 12, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    gone = rng.integers(0, 2, (SIDE // 8, SIDE // 8, 1)).repeat(8, 0).repeat(8, 1)
    patch(before, CHANGED)[:] = 128 + 60 * gone
    patch(after, CHANGED)[:] = patch(before, CHANGED) - 50 * gone + rng.integers(-9, 9, (SIDE, SIDE, 1))
    return before, after


def is_near(region: Region, corner: tuple[int, int]) -> bool:
    return all(abs(one - other) <= SIDE // 4 for one, other in zip(place(region), corner, strict=True))


@pytest.mark.parametrize(
    ("title", "corner"), [("noise", NOISY), ("texture", TEXTURE), ("detail", LETTERS), ("changed", CHANGED)]
)
def test_each_is_where_it_was_put(title, corner):
    region = next(r for r in choose_regions(*versions(), SIDE) if title in r.title)
    assert is_near(region, corner)


def test_they_do_not_overlap_and_lie_inside():
    regions = choose_regions(*versions(), SIDE)
    assert len(regions) == 4
    covered = np.zeros((1024, 1024), int)
    for region in regions:
        part = covered[region.top : region.top + region.height, region.left : region.left + region.width]
        assert part.shape == (SIDE, SIDE)
        part += 1
    assert covered.max() == 1


def test_an_edge_is_neither_texture_nor_fine_detail():
    picture = np.full((1024, 1024, 3), 60, np.uint8)
    picture[:, 300:] = 200
    weak = np.random.default_rng(0).integers(190, 211, (SIDE, SIDE, 1))
    patch(picture, TEXTURE)[:] = weak
    regions = choose_regions(picture, picture, SIDE)
    assert "texture" in regions[0].title
    assert is_near(regions[0], TEXTURE)


def test_texture_is_no_fine_detail_however_strong():
    picture, rng = np.full((1024, 1024, 3), 128, np.uint8), np.random.default_rng(0)
    for corner in (TEXTURE, NOISY):
        patch(picture, corner)[:] = rng.integers(0, 255, (SIDE, SIDE, 1))
    patch(picture, LETTERS)[8::48, ::5] = patch(picture, LETTERS)[12::48, ::5] = 20
    detail = next(r for r in choose_regions(picture, picture, SIDE) if "detail" in r.title)
    assert is_near(detail, LETTERS)


def test_nothing_changed_and_nothing_to_see():
    grey = np.full((600, 600, 3), 90, np.uint8)
    assert choose_regions(grey, grey, SIDE) == []
    before, _ = versions()
    titles = " ".join(region.title for region in choose_regions(before, before, SIDE))
    assert "noise" not in titles
    assert "changed" not in titles


def test_small_pictures_have_one_region_or_none():
    before = np.random.default_rng(0).integers(0, 255, (100, 60, 3), np.uint8)
    after = np.full_like(before, 128)
    (region,) = choose_regions(before, after, SIDE)
    assert (region.height, region.width) == (96, 56)
    assert choose_regions(before[:7], after[:7], SIDE) == []


def test_the_middle_of_a_region():
    assert Region("", 100, 200, 512, 512).centre(256) == Region("", 228, 328, 256, 256)
    assert Region("", 100, 200, 64, 512).centre(256) == Region("", 100, 328, 64, 256)
