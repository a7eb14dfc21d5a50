"""Pictures fit the room there is, and what is in the page is the picture."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from nsp_cli.photo import Pixels
from nsp_cli.report.pictures import Packed, pack_whole, pack_within
from nsp_cli.report.regions import Region


def noisy(height: int, width: int, seed: int = 0) -> Pixels:
    """Makes a gradient with noise, which no JPEG packs into little."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width)[None, :, None] * np.ones((height, 1, 3))
    return (ramp + rng.normal(0, 10, (height, width, 1))).clip(0, 255).astype(np.uint8)


def opened(file: str) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(file))))


def packed(room: int, height: int = 1100, width: int = 1301) -> tuple[Packed, dict[str, Pixels]]:
    pictures = {"before": noisy(height, width), "after": noisy(height, width, 1)}
    regions = [Region("one", 100, 200, 512, 512), Region("two", 588, 700, 512, 512)]
    return pack_within("photo", pictures, regions, room), pictures


@pytest.mark.parametrize("room", [40_000, 150_000, 600_000, 2_000_000, 20_000_000])
def test_it_fits(room):
    result, _ = packed(room)
    assert len(json.dumps(result.data)) <= result.size <= room


def test_more_room_shows_more():
    finest = [packed(room)[0].data["levels"][-1]["scale"] for room in (40_000, 400_000, 20_000_000)]
    assert finest == sorted(finest, reverse=True)
    assert (finest[0] > 2, finest[-1]) == (True, 1)
    assert [len(packed(room)[0].data["regions"]) for room in (40_000, 20_000_000)] == [0, 2]


@pytest.mark.parametrize("size", [(1100, 1301), (513, 512), (5, 2000), (30, 40)])
def test_tiles_together_are_the_picture(size):
    pictures = {name: noisy(*size, seed) for seed, name in enumerate(("before", "after"))}
    result = pack_within("photo", pictures, [], 50_000_000)
    level = result.data["levels"][-1]
    assert level["scale"] == 1
    for version, picture in enumerate(pictures.values()):
        tiles = [opened(file) for file in level["tiles"][version]]
        rows = [
            np.concatenate(tiles[start : start + level["columns"]], axis=1)
            for start in range(0, len(tiles), level["columns"])
        ]
        whole = np.concatenate(rows).astype(int)
        assert whole.shape == picture.shape
        assert np.abs(whole - picture).mean() < 3


def test_levels_are_the_picture_made_smaller():
    result, pictures = packed(50_000_000, 1024, 1024)
    coarsest = result.data["levels"][0]
    expected = pictures["after"].reshape(1024 // 4, 4, 1024 // 4, 4, 3).mean(axis=(1, 3))
    assert coarsest["scale"] == 4
    assert np.abs(opened(coarsest["tiles"][1][0]) - expected).mean() < 3


def test_crops_are_at_full_resolution_when_the_whole_is_not():
    result, pictures = packed(1_200_000)
    assert result.data["levels"][-1]["scale"] > 1
    (crop, *_) = result.data["regions"]
    rows, columns = (slice(crop[a], crop[a] + crop[b]) for a, b in (("y", "height"), ("x", "width")))
    for file, picture in zip(crop["tiles"], pictures.values(), strict=True):
        assert np.abs(opened(file).astype(int) - picture[rows, columns]).mean() < 4
    assert "50 %" in result.data["summary"]
    assert "at 100 %" in result.data["summary"]


def test_small_pictures_are_packed_exactly():
    picture = noisy(40, 50)
    data = pack_whole("crop", {"noisy": picture}).data
    assert np.array_equal(opened(data["levels"][0]["tiles"][0][0]), picture)
    assert (data["width"], data["height"], data["levels"][0]["columns"]) == (50, 40, 1)
