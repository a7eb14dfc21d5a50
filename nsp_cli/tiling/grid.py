"""The geometry of a photo's tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

# Halos in the height of a lane. Two threads that share each operation lose a quarter of their time
# (.github/docs/speed.md), so that a sixth more work is worth it.
_LEAST_HALOS = 6


@dataclass(frozen=True)
class Span:
    """A tile along one axis: its core, and what it reads for the core.

    Attributes:
        start: First pixel of the core.
        stop: One past the last pixel of the core.
        read_start: First pixel read; at most `start`.
        read_stop: One past the last pixel read.
    """

    start: int
    stop: int
    read_start: int
    read_stop: int

    def core_in_read(self, scale: int) -> slice:
        """Place of the core in what the tile reads, both enlarged by `scale`."""
        return slice((self.start - self.read_start) * scale, (self.stop - self.read_start) * scale)


@dataclass(frozen=True)
class Tile:
    """A core and the halo around it."""

    rows: Span
    columns: Span

    @property
    def core_pixels(self) -> int:
        """Number of photo pixels in the core."""
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)


@dataclass(frozen=True)
class TileGrid:
    """A photo, the grid of its tiles, and the context that they need.

    Attributes:
        height: Height of the photo in pixels.
        width: Width of the photo in pixels.
        halo: Context around a core in photo pixels. It is rounded up to a multiple of `step` and cut off
            at the photo's edge, never padded here.
        step: Distance of the grid on which tiles start, so that PD takes the same pixels into each
            sub-image. What a tile reads ends on this grid too, up to step − 1 pixels past the photo.
    """

    height: int
    width: int
    halo: int
    step: int

    def plan(self, core: int) -> list[Tile]:
        """Covers the photo with disjoint cores, each read with a halo of real neighbours.

        Every pixel lies in exactly one core, so stitching is a copy and nothing is blended.
        If the network's receptive-field radius is at most `halo`, the result equals one whole pass.

        Args:
            core: Side of a core. It is rounded down to a multiple of `step`, but not below one step.
        """
        return self._cover(0, self.height, 0, self.width, max(self.step, core // self.step * self.step))

    def bands(self, first: int, others: int) -> list[Tile]:
        """Covers the photo with tiles that are as wide as the photo.

        Args:
            first: Rows of the first one; a multiple of `step`.
            others: Rows of all but the first and the last; a multiple of `step`.
        """
        starts = [0, *range(first, self.height, others), self.height]
        columns = self._span(0, self.width, self.width)
        return [Tile(self._span(top, bottom, self.height), columns) for top, bottom in pairwise(starts)]

    def lanes(self, count: int) -> list[Tile]:
        """Covers the photo with bands of about the same height, for work side by side.

        There are fewer, if more than a sixth of a band would be read for others. What bands read ends with
        the photo.
        """
        halo = self._round_up(self.halo)
        rows = self._round_up(-(-self.height // count))
        if count > 1 and rows < _LEAST_HALOS * halo:
            return self.lanes(count - 1)
        tiles = self.bands(rows, rows)
        return [replace(tile, rows=self._within_photo(tile.rows)) for tile in tiles]

    def _within_photo(self, rows: Span) -> Span:
        return replace(rows, read_stop=min(rows.read_stop, self.height))

    def split(self, tile: Tile) -> list[Tile]:
        """Splits a tile into up to four, each with its own halo; none if the core is a single step."""
        rows, columns = tile.rows, tile.columns
        side = max(rows.stop - rows.start, columns.stop - columns.start)
        if side <= self.step:
            return []
        core = self._round_up(-(-side // 2))
        return self._cover(rows.start, rows.stop, columns.start, columns.stop, core)

    def _cover(self, top: int, bottom: int, left: int, right: int, core: int) -> list[Tile]:
        return [
            Tile(
                self._span(row, min(row + core, bottom), self.height),
                self._span(column, min(column + core, right), self.width),
            )
            for row in range(top, bottom, core)
            for column in range(left, right, core)
        ]

    def _span(self, start: int, stop: int, size: int) -> Span:
        halo = self._round_up(self.halo)
        read_stop = min(self._round_up(size), self._round_up(stop) + halo)
        return Span(start, stop, max(0, start - halo), read_stop)

    def _round_up(self, value: int) -> int:
        return -(-value // self.step) * self.step
