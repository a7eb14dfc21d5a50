"""Versions of a picture packed for a page of limited size: a pyramid of tiles, and some crops.

The viewer reads `Packed.data`:

    name, summary, width, height, versions: [names], tile: side of a tile
    levels:  [{scale, columns, tiles: [[file of each tile, row by row] of each version]}], coarse to fine
    regions: [{title, x, y, width, height, tiles: [file of each version]}], at full resolution

Files are JPEG or PNG in Base64.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsp_cli.ops.progress import counted
from nsp_cli.photo import Pixels, jpeg_bytes, png_bytes
from nsp_cli.report.regions import Region

TILE = 512
# Longest side of the coarsest level, which is always on the page.
_SMALLEST, _SMALLEST_QUALITY = 256, 80
# JPEG qualities, rising, all with full colour resolution. JPEG loses noise first: white noise of 10 levels
# changes by 1.4 (mean) at 98, 2.0 at 97 and 5.0 at 92. Below 85 a coarser picture is more faithful.
_QUALITIES = (85, 92, 97)
# Number, side and quality of crops. The first row that fits into two thirds of the room is used.
_CROPS = ((4, 512, 98), (4, 512, 95), (4, 384, 95), (4, 256, 95), (2, 256, 95), (1, 256, 92), (1, 192, 88))
REGION_SIDE = _CROPS[0][1]


@dataclass(frozen=True, eq=False)
class Packed:
    """Versions of a picture, ready for the page.

    Attributes:
        data: Values for the viewer, for JSON; `summary` describes in words what is included.
        size: Upper limit of the size on the page, in bytes.
    """

    data: Mapping[str, Any]
    size: int


def pack_whole(name: str, versions: Mapping[str, Pixels]) -> Packed:
    """Packs small (H, W, 3) pictures of one size without loss."""
    tiles = [[_text(png_bytes(pixels))] for pixels in versions.values()]
    height, width = next(iter(versions.values())).shape[:2]
    levels = [{"scale": 1, "columns": 1, "tiles": tiles}]
    return _packed(name, versions, "", levels, [], max(height, width))


def pack_within(name: str, versions: Mapping[str, Pixels], regions: Sequence[Region], room: int) -> Packed:
    """Packs large pictures into limited room: first the crops, then finer and finer levels.

    Args:
        name: Name of the picture.
        versions: Name and (H, W, 3) uint8 pixels of each version, all of one size.
        regions: Parts to show at full resolution, the most important first.
        room: Limit in bytes; the coarsest level is packed even if it takes more.
    """
    pictures = list(versions.values())
    crops, crop_quality = _crops(pictures, regions, room * 2 // 3)
    levels, quality = _levels(list(_pyramid(pictures)), room - _size(crops))
    summary = _summary(levels[-1]["scale"], quality, len(crops), crop_quality)
    return _packed(name, versions, summary, levels, crops, TILE)


def _summary(scale: int, quality: int, crops: int, crop_quality: int) -> str:
    whole = f"on this page: the whole photo at {100 / scale:.3g} % (JPEG {quality})"
    return f"{whole}, {counted(crops, 'crop')} at 100 % (JPEG {crop_quality})" if crops else whole


def _packed(
    name: str,
    versions: Mapping[str, Pixels],
    summary: str,
    levels: list[dict[str, Any]],
    regions: list[dict[str, Any]],
    tile: int,
) -> Packed:
    height, width = next(iter(versions.values())).shape[:2]
    data = {
        "name": name,
        "summary": summary,
        "width": width,
        "height": height,
        "versions": list(versions),
        "tile": tile,
        "levels": levels,
        "regions": regions,
    }
    return Packed(data, _size(data))


def _pyramid(pictures: Sequence[Pixels]) -> Iterator[Sequence[Pixels]]:
    yield pictures
    while max(pictures[0].shape) > _SMALLEST:
        pictures = [_halved(picture) for picture in pictures]
        yield pictures


def _halved(picture: Pixels) -> Pixels:
    """Returns means of 2×2 pixels; an odd last row or column counts twice."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = picture[::2, ::2].astype(np.uint16)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        total += picture[row::2, column::2]
    mean: Pixels = ((total + 2) // 4).astype(np.uint8)
    return mean


def _levels(pyramid: Sequence[Sequence[Pixels]], room: int) -> tuple[list[dict[str, Any]], int]:
    """Returns the levels that fit, from coarse to fine, and their quality. Fine levels go before quality."""
    for finest in range(len(pyramid)):
        best: tuple[list[dict[str, Any]], int] | None = None
        for quality in _QUALITIES:
            levels = [_level(pyramid[index], 2**index, quality) for index in range(finest, len(pyramid))]
            if _size(levels) > room:
                break
            best = levels[::-1], quality
        if best is not None:
            return best
    last = len(pyramid) - 1
    return [_level(pyramid[last], 2**last, _SMALLEST_QUALITY)], _SMALLEST_QUALITY


def _level(pictures: Sequence[Pixels], scale: int, quality: int) -> dict[str, Any]:
    height, width = pictures[0].shape[:2]
    tiles = [
        [
            _text(jpeg_bytes(picture[top : top + TILE, left : left + TILE], quality))
            for top in range(0, height, TILE)
            for left in range(0, width, TILE)
        ]
        for picture in pictures
    ]
    return {"scale": scale, "columns": -(-width // TILE), "tiles": tiles}


def _crops(
    pictures: Sequence[Pixels], regions: Sequence[Region], room: int
) -> tuple[list[dict[str, Any]], int]:
    for count, side, quality in _CROPS:
        crops = [_crop(pictures, region.centre(side), quality) for region in regions[:count]]
        if _size(crops) <= room:
            return crops, quality
    return [], 0


def _crop(pictures: Sequence[Pixels], region: Region, quality: int) -> dict[str, Any]:
    rows = slice(region.top, region.top + region.height)
    columns = slice(region.left, region.left + region.width)
    return {
        "title": region.title,
        "x": region.left,
        "y": region.top,
        "width": region.width,
        "height": region.height,
        "tiles": [_text(jpeg_bytes(picture[rows, columns], quality)) for picture in pictures],
    }


def _text(file: bytes) -> str:
    return base64.b64encode(file).decode("ascii")


def _size(data: object) -> int:
    """Returns the length of all texts, plus a few bytes each for what JSON puts around them."""
    if isinstance(data, Mapping):
        return sum(_size(key) + _size(value) for key, value in data.items())
    if isinstance(data, list):
        return sum(_size(value) for value in data)
    return len(str(data)) + 6
