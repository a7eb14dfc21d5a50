"""Tiles: disjoint cores that cover everything, real halos, grid-aligned origins."""

from __future__ import annotations

import numpy as np
import pytest

from nsp_cli.tiling.grid import Tile, TileGrid


def coverage(tiles: list[Tile], height: int, width: int) -> np.ndarray:
    counts = np.zeros((height, width), int)
    for tile in tiles:
        counts[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] += 1
    return counts


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (65, 63), (7, 300)])
@pytest.mark.parametrize(("core", "halo", "step"), [(16, 5, 2), (1, 0, 1), (100, 60, 4), (33, 7, 8)])
def test_every_pixel_lies_in_exactly_one_core(height, width, core, halo, step):
    tiles = TileGrid(height, width, halo, step).plan(core)
    assert (coverage(tiles, height, width) == 1).all()


@pytest.mark.parametrize(("core", "halo", "step"), [(16, 5, 2), (32, 60, 4)])
def test_reads_start_on_the_grid_and_reach_the_halo_or_the_edge(core, halo, step):
    size = 101
    for tile in TileGrid(size, size, halo, step).plan(core):
        span = tile.rows
        assert span.read_start % step == 0
        assert (span.read_stop - span.read_start) % step == 0
        assert span.read_start == 0 or span.start - span.read_start >= halo
        assert span.read_stop >= min(size, span.stop + halo)
        assert span.read_stop < size + step


def test_splitting_keeps_the_core_and_halves_its_sides():
    grid = TileGrid(100, 90, halo=6, step=2)
    tile = grid.plan(64)[1]
    parts = grid.split(tile)
    assert (coverage(parts, 100, 90) == coverage([tile], 100, 90)).all()
    assert len(parts) > 1
    assert all(part.rows.start - part.rows.read_start >= min(6, part.rows.start) for part in parts)
    assert all(part.rows.read_start % 2 == 0 for part in parts)


def test_a_single_step_cannot_be_split():
    grid = TileGrid(4, 4, halo=0, step=2)
    assert grid.split(grid.plan(2)[0]) == []


@pytest.mark.parametrize("height", [1, 95, 576, 577, 1152, 1160, 4001])
def test_lanes_cover_the_photo_and_read_little_for_each_other(height):
    grid = TileGrid(height, 30, halo=90, step=8)
    lanes = grid.lanes(2)
    rows = [row for lane in lanes for row in range(lane.rows.start, lane.rows.stop)]
    assert rows == list(range(height))
    assert all(lane.rows.read_stop == min(height, -(-lane.rows.stop // 8) * 8 + 96) for lane in lanes)
    assert all(lane.rows.read_start == max(0, lane.rows.start - 96) for lane in lanes)
    assert len(lanes) == (2 if height > 2 * 6 * 96 - 8 else 1)
