"""The view of a photo: linear light that is almost black is stretched, denoised and comes back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.view import View
from tests.scenes import scene, to_8_bits

STAR = (slice(None), slice(38, 45), slice(58, 65))
FLAT = (slice(None), slice(8, 35), slice(8, 35))


def night(noise: float = 0.0) -> Tensor:
    """A 16-bit picture in linear light, as from a telescope, with noise of so many steps of 65535."""
    light = 0.002 * scene(160, 184) ** 2.2 + 0.0005
    y, x = torch.meshgrid(torch.arange(160), torch.arange(184), indexing="ij")
    light += 0.02 * torch.exp(-((y - 41) ** 2 + (x - 61) ** 2) / (2 * 1.3**2))
    light += torch.randn(light.shape, generator=torch.Generator().manual_seed(0)) * noise / 65535
    return from_unit_range(light, torch.uint16)


def mean_light(photo: Tensor, place: tuple[slice, ...] = ()) -> float:
    return float(to_unit_range(photo[place]).mean())


@pytest.mark.parametrize(
    "photo",
    [to_8_bits(scene(40, 50)), scene(40, 50), to_8_bits(scene(40, 50) / 200), torch.zeros(3, 40, 50)],
    ids=["8 bits", "float", "dark 8 bits", "black"],
)
def test_most_photos_are_their_own_view(photo):
    view = View.of(photo)
    assert view.picture(photo) is photo
    assert view.undo(photo, photo) is photo


def test_a_dark_linear_photo_is_seen_bright_and_comes_back_the_same():
    photo = night(5)
    view = View.of(photo)
    picture = view.picture(photo)
    assert picture.median() == pytest.approx(0.2, abs=0.05)
    assert View.of(picture).picture(picture) is picture
    assert (view.undo(picture, photo).int() - photo.int()).abs().max() <= 1


@pytest.mark.parametrize("gamma", [0.8, 1.0, 1.3])
@pytest.mark.parametrize(("dtype", "white"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_every_value_of_linear_light_comes_back_exactly(gamma, dtype, white):
    photo = (
        torch.arange(white + 1, dtype=torch.int32)
        .to(dtype)
        .expand(3, 300, -1)[:, :: 300 if white > 255 else 1]
    )
    view = View.of(photo, gamma)
    picture = view.picture(photo)
    assert (float(picture.min()), float(picture.max())) == pytest.approx((0, 1))
    assert torch.equal(view.undo(picture, photo), photo)


def test_linear_light_is_seen_in_the_curve_of_srgb():
    photo = torch.full((3, 8, 8), 0.2140)
    assert View.of(photo, 1.0).picture(photo).mean() == pytest.approx(0.5, abs=1e-3)
    assert View.of(photo**0.8, 1.25).picture(photo**0.8).mean() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("gamma", [None, 1.8, 2.2])
def test_photos_in_usual_curves_are_their_own_view(gamma):
    assert View.of(scene(40, 50), gamma) == View()


def test_a_dark_photo_is_stretched_though_its_profile_is_linear():
    assert View.of(night(5), 1.0) == View.of(night(5))


def test_floats_below_black_are_seen_as_black():
    photo = to_unit_range(night(5))
    photo[:, :8, :8] = torch.linspace(-0.1, 0, 64).view(8, 8)
    picture = View.of(photo).picture(photo)
    assert picture.median() == pytest.approx(0.2, abs=0.05)
    assert (picture[:, :8, :8] == 0).all()


def test_noise_of_a_dark_linear_photo_goes_and_its_light_stays(bundled):
    clean, noisy = night(), night(20)
    result, plan = pipeline.denoise_tensor(bundled("nsp-fast"), noisy)
    assert plan.mode is not None
    before, after = ((one[FLAT].float() - clean[FLAT].float()).square().mean() for one in (noisy, result))
    assert after < 0.2 * before
    assert mean_light(result) == pytest.approx(mean_light(noisy), rel=0.01)
    assert mean_light(result, STAR) > 0.85 * mean_light(noisy, STAR)


@pytest.mark.parametrize("width", [1.3, 3.0])
def test_a_bright_star_makes_no_halo(bundled, width):
    y, x = torch.meshgrid(torch.arange(192), torch.arange(192), indexing="ij")
    distance = ((y - 96) ** 2 + (x - 96) ** 2).sqrt()
    clean = 0.002 + 0.6 * torch.exp(-(distance**2) / (2 * width**2)).expand(3, -1, -1)
    noise = 0.0005 * torch.randn(3, 192, 192, generator=torch.Generator().manual_seed(0))
    result, _ = pipeline.denoise_tensor(bundled("nsp-fast"), from_unit_range(clean + noise, torch.uint16))
    around = to_unit_range(result)[:, (distance > 12) & (distance < 24)]
    assert around.mean() == pytest.approx(0.002, rel=0.02)
    assert around.min() > 0.001
    star = distance < 2 * width
    assert to_unit_range(result)[:, star].mean() == pytest.approx(float(clean[:, star].mean()), rel=0.02)


def test_an_enlargement_keeps_the_light(bundled):
    noisy = night(20)
    result, _ = pipeline.upscale_tensor(bundled("nsp-fast-x2"), noisy)
    assert result.shape == (3, 320, 368)
    assert mean_light(result) == pytest.approx(mean_light(noisy), rel=0.01)
