"""Hot pixels of developed photos go; stars, lights, drawings and texture stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.hot_dots import without_hot_dots

DOT = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4  # bilinear interpolation of one red or blue pixel


def night(noise: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 + torch.randn(3, 96, 96, generator=generator) * noise / 255


def with_dots(picture: Tensor, height: float = 0.7) -> Tensor:
    picture = picture.clone()
    for number, (row, column) in enumerate((row, column) for row in (20, 50, 80) for column in (15, 45, 75)):
        picture[number % 3, row - 1 : row + 2, column - 1 : column + 2] += height * DOT
    return picture


def with_star(picture: Tensor, width: float, colour: tuple[float, float, float]) -> Tensor:
    y, x = torch.meshgrid(torch.arange(96) - 48, torch.arange(96) - 48, indexing="ij")
    return picture + 0.7 * torch.tensor(colour)[:, None, None] * torch.exp(-(y**2 + x**2) / (2 * width**2))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
@pytest.mark.parametrize("height", [0.3, 0.7, 0.9])
def test_dots_of_each_colour_go(dtype: torch.dtype, height: float) -> None:
    noisy = from_unit_range(with_dots(night(), height).clamp(0, 1), dtype)
    found = to_unit_range(without_hot_dots(noisy))
    assert (found - night()).abs().max() < 0.08


@pytest.mark.parametrize("width", [0.6, 0.85, 1.3])
@pytest.mark.parametrize("colour", [(1, 1, 1), (1, 0.6, 0.3), (0.5, 0.7, 1), (1, 0.3, 0.1)])
def test_stars_stay(width: float, colour: tuple[float, float, float]) -> None:
    sky = with_star(night(), width, colour)
    assert without_hot_dots(sky) is sky


@pytest.mark.parametrize("width", [1.2, 2.0])
def test_lights_of_one_colour_stay(width: float) -> None:
    sky = with_star(night(), width, (1, 0, 0))
    assert without_hot_dots(sky) is sky


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field"])
def test_photos_stay(name: str) -> None:
    photo = torch.from_numpy(np.ascontiguousarray(getattr(data, name)()[:400, :400, :3])).permute(2, 0, 1)
    assert without_hot_dots(photo) is photo


def test_single_pixels_of_a_drawing_and_dots_at_the_edge_stay() -> None:
    drawing = torch.full((3, 40, 40), 0.2)
    drawing[0, 20, 20] = 1
    drawing[1, 0:2, 0:2] = 1
    assert without_hot_dots(drawing) is drawing


def test_small_pictures() -> None:
    for height, width in ((1, 9), (4, 4), (5, 5), (9, 3)):
        picture = torch.rand(3, height, width)
        assert without_hot_dots(picture) is picture


def test_dots_are_found_where_strips_meet() -> None:
    picture = torch.full((3, 530, 16), 0.1)
    for row in (255, 257, 258, 260, 513, 514, 515):
        one = picture.clone()
        one[2, row - 1 : row + 2, 6:9] += 0.6 * DOT
        assert torch.allclose(without_hot_dots(one), picture)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_result_has_neither_dots_nor_pale_spots(bundled, strength: float) -> None:
    noisy = from_unit_range(with_dots(night(9)).clamp(0, 1), torch.uint8)
    result, _ = pipeline.denoise_tensor(
        bundled("nsp-fast"), noisy, strength=pipeline.Strength(strength, strength)
    )
    plain, _ = pipeline.denoise_tensor(
        bundled("nsp-fast"),
        from_unit_range(night(9), torch.uint8),
        strength=pipeline.Strength(strength, strength),
    )
    for row in (20, 50, 80):
        part = (slice(None), slice(row - 1, row + 2), slice(14, 77))
        assert (result[part].int() - plain[part].int()).abs().max() < 25
