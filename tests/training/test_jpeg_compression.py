"""Simulated JPEG compression: the same as a JPEG library's, except for rounding."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nsp_cli.photo import JpegTables
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.jpeg_compression import (
    Compression,
    compress,
    draw_compression,
    standard_tables,
)
from tests.scenes import scene

PILLOW = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
GENTLE, COARSE = (Compression(standard_tables(quality, "4:4:4")) for quality in (90, 40))


@pytest.fixture(scope="module")
def picture() -> Tensor:
    return (scene(61, 77) * 255).round() / 255


def by_library(picture: Tensor, tables: JpegTables) -> Tensor:
    file = io.BytesIO()
    pixels = (picture * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    steps = {0: tables.luma, 1: tables.chroma}
    Image.fromarray(pixels).save(file, "JPEG", qtables=steps, subsampling=PILLOW[tables.subsampling])
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255


def is_close(ours: Tensor, theirs: Tensor, picture: Tensor) -> bool:
    damage = (theirs - picture).square().mean()
    return bool((ours - theirs).square().mean() < 0.1 * damage + 0.5 / 255**2)


@pytest.mark.parametrize("subsampling", PILLOW)
@pytest.mark.parametrize("quality", [30, 85, 98])
def test_the_result_is_that_of_a_library(picture, quality, subsampling):
    tables = standard_tables(quality, subsampling, chroma_quality=quality - 20)
    assert is_close(compress(picture[None], [Compression(tables)])[0], by_library(picture, tables), picture)


def test_standard_tables_are_those_of_a_library(picture):
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", quality=60)
    steps = Image.open(file).quantization
    tables = standard_tables(60)
    assert (list(tables.luma), list(tables.chroma)) == (list(steps[0]), list(steps[1]))


def test_chroma_halved_along_columns_is_the_turned_picture_with_turned_tables(picture):
    tables = standard_tables(50, "4:2:2")
    steps = (tuple(np.reshape(one, (8, 8)).T.ravel().tolist()) for one in (tables.luma, tables.chroma))
    upright = compress(picture[None], [Compression(JpegTables(*steps, "4:4:0"), (5, 2))])
    turned = compress(picture.mT[None], [Compression(tables, (2, 5))]).mT
    assert (upright - turned).square().mean().sqrt() < 0.2 / 255


def test_each_picture_has_its_own_settings(picture):
    settings = [
        Compression(standard_tables(90, "4:2:0")),
        Compression(standard_tables(40, "4:2:2"), (3, 6)),
        Compression(standard_tables(70, "4:2:0", chroma_quality=30), (0, 5)),
    ]
    together = compress(picture.expand(3, -1, -1, -1), settings)
    for result, one in zip(together, settings, strict=True):
        assert torch.equal(result, compress(picture[None], [one])[0])


def test_a_grid_starts_at_the_given_place(picture):
    """A second compression changes almost nothing on the same grid and much on another grid."""
    tables = standard_tables(50, "4:4:4")
    once = compress(picture[None], [Compression(tables, (5, 2))])
    same, other = (compress(once, [Compression(tables, grid)]) for grid in ((5, 2), (1, 6)))
    assert (same - once).square().mean() < 0.1 * (other - once).square().mean()


def test_results_are_8_bit_values_and_the_given_pictures_stay():
    given = torch.linspace(-0.2, 1.2, 3 * 24 * 24).view(1, 3, 24, 24)
    before = given.clone()
    result = compress(given, [GENTLE])
    assert torch.equal(given, before)
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-4)
    assert result.min() >= 0
    assert result.max() <= 1


class TestDraws:
    CAMERA = JpegTables(tuple(range(3, 67)), tuple(range(5, 69)), "4:2:2")

    def drawn(self, *cameras: JpegTables, count: int = 400) -> list[Compression]:
        return [draw_compression(cameras, generator_for(number)) for number in range(count)]

    def test_without_cameras_all_tables_are_standard_ones(self):
        luma = {standard_tables(quality).luma for quality in range(40, 100)}
        found = self.drawn()
        assert {one.tables.luma for one in found} <= luma
        assert set(PILLOW) == {one.tables.subsampling for one in found}

    def test_two_fifths_are_near_the_tables_of_a_camera(self):
        luma = {standard_tables(quality).luma for quality in range(40, 100)}
        ours = [one.tables for one in self.drawn(self.CAMERA) if one.tables.luma not in luma]
        assert 0.32 < len(ours) / 400 < 0.48
        assert {tables.subsampling for tables in ours} == {"4:2:2"}
        factors = torch.tensor([sum(tables.luma) / sum(self.CAMERA.luma) for tables in ours])
        coarser = torch.tensor([sum(t.chroma) / sum(self.CAMERA.chroma) for t in ours]) / factors
        assert 1.0 < float(factors.median()) < 1.5
        assert float(coarser.min()) > 0.95
        assert float(coarser.max()) > 1.3

    def test_chroma_is_sometimes_coarser_and_never_finer(self):
        tables = [one.tables for one in self.drawn()]
        of_luma = {standard_tables(quality).luma: quality for quality in range(40, 100)}
        usual = [t.chroma == standard_tables(of_luma[t.luma]).chroma for t in tables]
        assert 0.7 < sum(usual) / len(usual) < 0.92
        assert all(sum(t.chroma) >= sum(standard_tables(of_luma[t.luma]).chroma) for t in tables)

    def test_grids_start_everywhere_and_often_in_the_corner(self):
        grids = Counter(one.grid for one in self.drawn())
        assert 0.33 < grids[0, 0] / 400 < 0.49
        assert len(grids) > 40
