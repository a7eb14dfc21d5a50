"""Offsets of a sensor's rows and columns are measured where they are, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsp_cli.noise.banding import offsets_of_rows
from nsp_cli.noise.sensor_noise import MosaicNoise
from tests.noise.test_sensor_noise import sand, shapes, taken

SLOPE, FLOOR = 1 / 1000, (3 / 1000) ** 2
DARK = (SLOPE * 0.01 + FLOOR) ** 0.5


def offsets(count: int, share: float) -> Tensor:
    """Returns (N, 1) with a deviation relative to that of a dark pixel."""
    return share * DARK * torch.randn(count, 1, generator=torch.Generator().manual_seed(5))


def relative(mosaic: Tensor) -> tuple[float, float]:
    """Returns the banding of rows and columns that is found."""
    rows, columns = (offsets_of_rows(one, SLOPE, FLOOR) for one in (mosaic, mosaic.T))
    return MosaicNoise((SLOPE,) * 3, (FLOOR,) * 3, 100, rows, columns).banding


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_offsets_of_rows_and_of_columns_are_told_apart(share):
    mosaic = taken(0.3 * shapes(1024), SLOPE, FLOOR)
    for turned in (False, True):
        own = offsets(1024, share)
        found = relative(mosaic + (own.T if turned else own))
        assert found[turned] == pytest.approx(share, rel=0.3)
        assert found[not turned] < 0.1


@pytest.mark.parametrize("scene", [shapes(1024), sand(1024, 0.1)])
def test_scenes_have_no_banding(scene):
    """Nor has one with the horizon on it, and edges that reach over half of it."""
    scene = scene.clone()
    scene[:, :500] *= 0.5
    for top in range(20, 480, 23):
        scene[:, top : top + 9, :512] *= 1.3
    assert max(relative(taken(scene, SLOPE, FLOOR))) < 0.15


def test_a_wrong_line_of_the_noise_changes_little():
    mosaic = taken(0.3 * shapes(1024), SLOPE, FLOOR) + offsets(1024, 0.4)
    right = offsets_of_rows(mosaic, SLOPE, FLOOR)
    for factor in (0.6, 1.6):
        assert offsets_of_rows(mosaic, factor * SLOPE, factor * FLOOR) == pytest.approx(right, rel=0.35)


@pytest.mark.parametrize("size", [(8, 8), (2000, 60), (40, 2000)])
def test_too_small_a_mosaic_has_none(size):
    assert offsets_of_rows(torch.rand(size), SLOPE, FLOOR) == 0
