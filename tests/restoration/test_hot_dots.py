"""Hot pixels of developed photos go; stars, lights, drawings and texture stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.ops.transfer import linear_to_srgb, srgb_to_linear
from nsp_cli.restoration import hot_dots, pipeline
from nsp_cli.restoration.hot_dots import LIMITS, DotLimits
from nsp_cli.restoration.planning import plan_for
from nsp_cli.restoration.strength import Strength
from nsp_cli.restoration.view import View

DOT = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4  # bilinear interpolation of one red or blue pixel


def without_hot_dots(picture: Tensor) -> Tensor:
    return hot_dots.without_hot_dots(picture, View())[0]


def night(noise: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 + torch.randn(3, 96, 96, generator=generator) * noise / 255


def with_dots(picture: Tensor, height: float = 0.7) -> Tensor:
    picture = picture.clone()
    for number, (row, column) in enumerate((row, column) for row in (20, 50, 80) for column in (15, 45, 75)):
        picture[number % 3, row - 1 : row + 2, column - 1 : column + 2] += height * DOT
    return picture


def taken(light: Tensor) -> Tensor:
    """What a camera without noise shows of linear light (3, H, W)."""
    masks = bayer_masks(*light.shape[1:], [(0, 0)], light.device)[0]
    return linear_to_srgb(demosaic_bilinear((light * masks)[None])[0].clamp(0, 1))


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
    drawing[2, 9:12, 9:12] = 1
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


def test_the_limits_are_those_that_the_simulation_found() -> None:
    """`python benchmarks/set_hot_pixels.py` finds them; whoever changes one runs it and says so."""
    assert DotLimits(28 / 255, 0.4, 0.09, 0.2, 1.0, 0.3, 0.2) == LIMITS


@pytest.mark.parametrize("charge", [0.05, 0.3, 1.0, 2.5])  # 2.5: full, and white balance lifts it above white
@pytest.mark.parametrize("place", [(20, 20), (20, 21), (21, 21)])
def test_hot_pixels_go_as_a_camera_spreads_them(charge: float, place: tuple[int, int]) -> None:
    light = torch.full((3, 40, 40), 0.01)
    hot = light.clone()
    hot[:, place[0], place[1]] += charge
    found, count = hot_dots.without_hot_dots(taken(hot), View())
    assert count == 1
    assert torch.allclose(found, taken(light), atol=1e-3)


@pytest.mark.parametrize("width", [0.8, 1.0, 1.5])
@pytest.mark.parametrize("colour", [0, 1, 2])
def test_lights_of_one_colour_that_a_camera_saw_stay(width: float, colour: int) -> None:
    y, x = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    lost = 0
    for number in range(100):
        row, column = 19 + 2 * torch.rand(2, generator=torch.Generator().manual_seed(number))
        light = torch.full((3, 40, 40), 0.01)
        light[colour] += 0.5 * torch.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
        lost += hot_dots.without_hot_dots(taken(light), View())[1]
    assert lost <= 3


NOISY = from_unit_range(with_dots(night(9)).clamp(0, 1), torch.uint8)


@pytest.mark.parametrize(
    "strength", [Strength(0.5, 0.5), Strength(), Strength(0, 1), Strength(1, 0)], ids=str
)
def test_dots_go_at_every_strength_above_0(bundled, strength: Strength) -> None:
    result, plan = pipeline.denoise_tensor(bundled("nsp-fast"), NOISY, strength=strength)
    assert plan.hot_pixels == 9
    assert "; 9 hot pixels removed" in plan.describe()
    kept, _ = pipeline.denoise_tensor(bundled("nsp-fast"), NOISY, strength=strength, keep_hot_pixels=True)
    assert kept[0, 20, 15] > result[0, 20, 15].float() + 25
    [several] = pipeline.denoise_by_strengths(bundled("nsp-fast"), NOISY, [strength], plan)
    assert torch.equal(several, result)


def test_dots_stay_if_they_are_to_be_kept(bundled) -> None:
    for name, work in (("nsp-fast", pipeline.denoise_tensor), ("nsp-fast-x2", pipeline.upscale_tensor)):
        kept, plan = work(bundled(name), NOISY, keep_hot_pixels=True)
        gone, other = work(bundled(name), NOISY)
        assert (plan.hot_pixels, other.hot_pixels) == (0, 9)
        assert kept.float().amax() > gone.float().amax() + 20
    plan = plan_for(bundled("nsp-fast"), NOISY)
    [several] = pipeline.denoise_by_strengths(
        bundled("nsp-fast"), NOISY, [Strength()], plan, keep_hot_pixels=True
    )
    assert torch.equal(several, pipeline.denoise_tensor(bundled("nsp-fast"), NOISY, keep_hot_pixels=True)[0])


def test_dots_stay_at_strength_0_and_without_noise(bundled) -> None:
    clean = torch.full((3, 600, 600), 30, dtype=torch.uint8)
    clean[0, 99:102, 199:202] += (200 * DOT).to(torch.uint8)
    assert not torch.equal(without_hot_dots(clean), clean)
    for photo, strength in ((NOISY, Strength(0, 0)), (clean, Strength())):
        result, plan = pipeline.denoise_tensor(bundled("nsp-fast"), photo, strength=strength)
        assert result is photo
        assert plan.hot_pixels == 0
        assert pipeline.upscale_tensor(bundled("nsp-fast-x2"), photo, strength=strength)[1].hot_pixels == 0


def test_grey_photos_have_no_dots(bundled) -> None:
    grey = NOISY[:1].expand(3, -1, -1).contiguous()
    assert pipeline.denoise_tensor(bundled("nsp-fast"), grey)[1].hot_pixels == 0


@pytest.mark.parametrize("view", [View(gamma=1.0), View(midtone=0.02)], ids=str)
def test_dots_are_seen_in_the_view_and_go_from_the_photo(view: View) -> None:
    seen = night(1).clamp(0, 1)
    photo = from_unit_range(view.undo(with_dots(seen), torch.zeros(3, 96, 96)), torch.uint16)
    if view.gamma:
        photo = from_unit_range(srgb_to_linear(with_dots(seen).clamp(0, 1)), torch.uint16)
    found, count = hot_dots.without_hot_dots(photo, view)
    assert count == 9
    assert (view.picture(found).float() - view.picture(photo).float()).abs().amax() > 0.3
    assert view.picture(to_unit_range(found)).amax() < 0.2
    assert found.dtype == torch.uint16
