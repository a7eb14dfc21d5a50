"""Parts of a picture to look at first when its versions are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nsp_cli.photo import Pixels

_BLOCK = 8
# Rows of blocks processed at once, so that large photos need little memory.
_STRIP = 64
# Windows start at this many places per side.
_STEPS = 4
# Blocks a side: lines of letters and the parts of a face are narrower.
_OPENING = 7
# In 8-bit levels; nobody could see less.
_INVISIBLE = 0.1

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """A part of a picture in pixels, and what it shows."""

    title: str
    top: int
    left: int
    height: int
    width: int

    def centre(self, side: int) -> Region:
        """Returns the middle of the region, at most `side` pixels on each side."""
        height, width = min(side, self.height), min(side, self.width)
        top, left = self.top + (self.height - height) // 2, self.left + (self.width - width) // 2
        return Region(self.title, top, left, height, width)


def choose_regions(before: Pixels, after: Pixels, side: int) -> list[Region]:
    """Chooses up to four parts that do not overlap.

    They show where most noise was removed from smooth areas, where there is most texture, where fine
    detail lies on smooth areas (as in faces and lettering), and where most was changed.

    Args:
        before, after: (H, W, 3) uint8.
        side: Side of a region in pixels; smaller pictures have one region at most.

    Returns:
        Fewer than four if there is no room or nothing was changed; none for pictures below 8 pixels.
    """
    height, width = before.shape[:2]
    if min(height, width) < _BLOCK:
        return []
    detail, changed = _maps(before, after)
    windows = _Windows.over(detail.shape, side // _BLOCK)
    seen = _Seen(*map(windows.cut, (detail, _standing_out(detail), changed)))
    free = np.ones(len(seen.detail), bool)
    regions = []
    for title, score_of in _SCORES:
        score = np.where(free, score_of(seen), 0)
        if score.max() > _INVISIBLE:
            best = int(score.argmax())
            regions.append(windows.region(title, best))
            free &= windows.is_apart(best)
    return regions


class _Seen(NamedTuple):
    """Values of the blocks in each window: (windows, blocks), in 8-bit levels.

    Attributes:
        detail: Standard deviation within a block, after.
        standing_out: The part of it that stands out from the surroundings.
        changed: Difference between before and after.
    """

    detail: Map
    standing_out: Map
    changed: Map


def _most_noise(seen: _Seen) -> Map:
    # Only the smoother half counts: what is removed from texture may be texture.
    calm = np.median(seen.detail, axis=1)
    return np.where(calm <= np.median(calm), seen.changed.mean(axis=1), 0)


def _most_texture(seen: _Seen) -> Map:
    # The median: texture fills a window, an edge only a few of its blocks.
    texture: Map = np.median(seen.detail, axis=1)
    return texture


def _finest_detail(seen: _Seen) -> Map:
    # Eyes, hair and letters fill a tenth of a window's blocks, a horizon fewer.
    detail: Map = np.percentile(seen.standing_out, 90, axis=1)
    return detail


def _most_changed(seen: _Seen) -> Map:
    change: Map = seen.changed.mean(axis=1)
    return change


_SCORES: tuple[tuple[str, Callable[[_Seen], Map]], ...] = (
    ("most noise removed", _most_noise),
    ("most texture", _most_texture),
    ("fine detail (faces, lettering)", _finest_detail),
    ("most changed", _most_changed),
)


def _maps(before: Pixels, after: Pixels) -> tuple[Map, Map]:
    """Returns two (rows, columns) maps of 8×8 blocks: luma deviation after, and rms difference, in levels."""
    rows, columns = (size // _BLOCK for size in before.shape[:2])
    detail, changed = np.empty((2, rows, columns), np.float32)
    for start in range(0, rows, _STRIP):
        part = slice(start, min(rows, start + _STRIP))
        pixels = slice(part.start * _BLOCK, part.stop * _BLOCK)
        old, new = (_blocks(picture[pixels, : columns * _BLOCK]) for picture in (before, after))
        detail[part] = new.mean(axis=4).std(axis=(1, 3))
        changed[part] = np.sqrt(np.square(old - new).mean(axis=(1, 3, 4)))
    return detail, changed


def _standing_out(detail: Map) -> Map:
    """Returns what a morphological opening removes: narrow patches, but neither lawns nor their edges."""
    side = min(_OPENING, *detail.shape)
    opened = _extreme(_extreme(detail, side, np.min), side, np.max)
    return detail - opened


def _extreme(values: Map, side: int, of: Callable[..., Any]) -> Map:
    before, after = side // 2, (side - 1) // 2
    # The second of two even windows must lean the other way, or the result would be shifted.
    reach = (before, after) if of is np.min else (after, before)
    padded = np.pad(values, reach, mode="edge")
    found: Map = of(np.lib.stride_tricks.sliding_window_view(padded, (side, side)), axis=(2, 3))
    return found


def _blocks(pixels: Pixels) -> Map:
    height, width = pixels.shape[:2]
    shape = (height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, 3)
    return pixels.astype(np.float32).reshape(shape)


@dataclass(frozen=True, eq=False)
class _Windows:
    """Overlapping windows over a map of blocks.

    Attributes:
        tops, lefts: (N,) first row and column of each window, in blocks.
        height, width: Size of a window in blocks.
    """

    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    height: int
    width: int

    @classmethod
    def over(cls, shape: tuple[int, ...], side: int) -> _Windows:
        height, width = (min(side, size) for size in shape)
        rows, columns = _starts(shape[0], height), _starts(shape[1], width)
        tops, lefts = np.meshgrid(rows, columns, indexing="ij")
        return cls(tops.ravel(), lefts.ravel(), height, width)

    def cut(self, values: Map) -> Map:
        """Returns the values in each window, (N, blocks)."""
        views = np.lib.stride_tricks.sliding_window_view(values, (self.height, self.width))
        return views[self.tops, self.lefts].reshape(len(self.tops), -1)

    def is_apart(self, index: int) -> NDArray[np.bool_]:
        """Returns whether each window is clear of the window with that index."""
        down, right = abs(self.tops - self.tops[index]), abs(self.lefts - self.lefts[index])
        apart: NDArray[np.bool_] = (down >= self.height) | (right >= self.width)
        return apart

    def region(self, title: str, index: int) -> Region:
        place = (int(self.tops[index]), int(self.lefts[index]), self.height, self.width)
        return Region(title, *(blocks * _BLOCK for blocks in place))


def _starts(size: int, side: int) -> list[int]:
    last = size - side
    return sorted({*range(0, last + 1, max(1, side // _STEPS)), last})
