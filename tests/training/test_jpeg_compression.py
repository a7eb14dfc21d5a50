"""Simulated JPEG compression: the same as a JPEG library's, except for rounding."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nsp_cli.training.simulation.jpeg_compression import compress
from tests.scenes import scene


@pytest.fixture(scope="module")
def picture() -> Tensor:
    return (scene(61, 77) * 255).round()


def by_library(picture: Tensor, quality: int, subsampling: int) -> Tensor:
    file = io.BytesIO()
    pixels = picture.permute(1, 2, 0).numpy().astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float()


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [30, 60, 85, 98])
def test_the_result_is_that_of_a_library(picture, quality, subsampling):
    ours = compress(picture[None], [quality], [(0, 0)], halves_chroma=subsampling == 2)[0]
    theirs = by_library(picture, quality, subsampling)
    damage = (theirs - picture).square().mean()
    assert (ours - theirs).square().mean() < 0.1 * damage + 0.5


def test_each_picture_has_its_own_quality_and_grid(picture):
    both = compress(torch.stack([picture, picture]), [90, 40], [(0, 0), (3, 6)], halves_chroma=False)
    one, other = (
        compress(picture[None], [quality], [grid], halves_chroma=False)[0]
        for quality, grid in ((90, (0, 0)), (40, (3, 6)))
    )
    assert torch.equal(both[0], one)
    assert torch.equal(both[1], other)


def test_a_grid_starts_at_the_given_place(picture):
    """A second compression changes almost nothing on the same grid and much on another grid."""
    once = compress(picture[None], [50], [(5, 2)], halves_chroma=False)
    same, other = (compress(once, [50], [grid], halves_chroma=False) for grid in ((5, 2), (1, 6)))
    assert (same - once).square().mean() < 0.1 * (other - once).square().mean()
