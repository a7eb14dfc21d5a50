"""Estimate, predict, recover: what a caller is promised."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli import Strength
from nsp_cli.evaluation.folders import denoising_trial, find_pairs, mean_score, read_pair, score_trial
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import back_projection, pipeline
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.planning import plan_for, plan_restoration
from nsp_cli.restoration.strength import blend
from tests.conftest import SHARED
from tests.scenes import correlated_noise, fractal, scene, to_8_bits, white_noise


@pytest.fixture(scope="module", params=["nsp-fast", "nsp-light"])
def restorer(request, bundled):
    return bundled(request.param)


@pytest.fixture(scope="module")
def blind_spot(bundled):
    return bundled("nsp-light")


@pytest.fixture(scope="module", params=["nsp-fast-x2", "nsp-light"])
def enlarger(request, bundled):
    return bundled(request.param)


@pytest.fixture
def noisy():
    return to_8_bits(scene(160, 184) + white_noise((3, 160, 184), 8))


def test_a_clean_photo_is_passed_through(restorer):
    photo = to_8_bits(scene(200, 200)[:, :90, :])
    result, plan = pipeline.denoise_tensor(restorer, photo)
    assert result is photo
    assert plan.mode is None
    assert "no noise" in plan.describe()


def test_strength_nought_gives_the_photo_itself(restorer, noisy):
    assert pipeline.denoise_tensor(restorer, noisy, strength=Strength(0, 0))[0] is noisy


@pytest.mark.parametrize(("level", "mode"), [(4, "direct"), (30, "pd")])
def test_strong_noise_gets_the_average_and_mild_noise_the_direct_pass(level, mode):
    photo = to_8_bits(scene() + white_noise(scene().shape, level))
    assert plan_restoration(photo).mode == mode


# The scene's texture is white noise itself, fifteen times as strong as level 2: the student takes some of it
# then, which README says.
@pytest.mark.parametrize(
    ("model", "level"),
    [("nsp-light", 2), *((model, level) for model in ("nsp-light", "nsp-fast") for level in (5, 12, 30))],
)
def test_the_result_is_better_than_the_photo_whatever_the_noise(bundled, model, level):
    restorer = bundled(model)
    clean = scene(192, 192)
    for noise in (white_noise(clean.shape, level), correlated_noise(clean.shape, level, 1.0)):
        photo = to_8_bits(clean + noise)
        result, _ = pipeline.denoise_tensor(restorer, photo)
        assert psnr(result, to_8_bits(clean)) > psnr(photo, to_8_bits(clean))


@pytest.mark.parametrize("level", [8, 30])
def test_an_enlargement_scaled_down_is_the_denoised_photo(enlarger, level):
    clean = scene(96, 120)
    photo = (clean + white_noise(clean.shape, level)).clamp(0, 1)
    denoised, _ = pipeline.denoise_tensor(enlarger, photo)
    enlarged, _ = pipeline.upscale_tensor(enlarger, photo)
    assert torch.allclose(functional.avg_pool2d(enlarged, 2), denoised, atol=1e-3)


@pytest.mark.parametrize("mode", ["pd", "direct"])
@pytest.mark.parametrize("level", [8, 30])
def test_an_enlargement_by_either_pass_scales_down_to_the_denoised_photo(blind_spot, level, mode):
    clean = scene(96, 120)
    photo = (clean + white_noise(clean.shape, level)).clamp(0, 1)
    denoised, plan = pipeline.denoise_tensor(blind_spot, photo)
    enlarged, enlarged_with = pipeline.upscale_tensor(blind_spot, photo, mode=mode)
    scaled_down = functional.avg_pool2d(enlarged, 2)
    if enlarged_with.mode == plan.mode:
        assert torch.allclose(scaled_down, denoised, atol=1e-3)
    else:
        assert psnr(to_8_bits(scaled_down), to_8_bits(denoised)) > 30


def test_an_enlargement_at_strength_nought_scales_down_to_the_photo(enlarger, noisy):
    enlarged, _ = pipeline.upscale_tensor(enlarger, noisy, strength=Strength(0, 0))
    difference = functional.avg_pool2d(enlarged.float(), 2) - noisy.float()
    assert enlarged.shape == (3, 320, 368)
    assert difference.abs().median() < 0.5


def test_strips_of_an_enlargement_leave_no_trace(blind_spot, noisy, monkeypatch):
    exact = noisy.float() / 255
    monkeypatch.setattr(back_projection, "_STRIP", 1 << 20)
    whole, _ = pipeline.upscale_tensor(blind_spot, exact)
    monkeypatch.setattr(back_projection, "_STRIP", 16)
    assert torch.allclose(pipeline.upscale_tensor(blind_spot, exact)[0], whole, atol=1e-6)


def test_a_gpu_too_small_to_recover_on_leaves_that_to_the_processor(blind_spot, noisy, monkeypatch):
    tried = []
    expected, plan = pipeline.denoise_tensor(blind_spot, noisy)
    recover_detail = pipeline.recover_detail

    def on_a_small_gpu(*given, device=None, **options):
        tried.append(device)
        if device is not None:
            raise torch.OutOfMemoryError
        return recover_detail(*given, **options)

    monkeypatch.setattr(pipeline, "recover_detail", on_a_small_gpu)
    gpu = SimpleNamespace(spec=blind_spot.spec, execution=Execution(torch.device("cuda"), torch.bfloat16))
    prediction = blind_spot.denoise(noisy, mode=plan.mode, dtype=torch.float16)
    result = pipeline._recover(gpu, noisy, prediction, plan, Strength())
    assert tried == [torch.device("cuda"), None]
    assert torch.equal(blend(noisy, result, Strength()), expected)


def test_several_strengths_are_each_what_denoising_gives(restorer, noisy):
    strengths = [
        Strength(*both) for both in ((0, 0), (0.5, 0.5), (1, 1), (0, 1), (2, 1), (2, 0.5), (0.5, 0.5))
    ]
    plan, seen = plan_for(restorer, noisy), []
    together = pipeline.denoise_by_strengths(
        restorer, noisy, strengths, plan, on_progress=lambda *step: seen.append(step)
    )
    for strength, result in zip(strengths, together, strict=True):
        assert torch.equal(result, pipeline.denoise_tensor(restorer, noisy, strength=strength)[0]), strength
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {seen[-1][0]}


def test_a_clean_photo_stays_itself_at_every_strength(restorer):
    clean = torch.full((3, 64, 64), 90, dtype=torch.uint8)
    plan = plan_restoration(clean)
    results = pipeline.denoise_by_strengths(restorer, clean, [Strength(), Strength(2, 2)], plan)
    assert all(torch.equal(result, clean) for result in results)


def test_a_scene_without_a_flat_place_is_hardly_made_worse(bundled):
    clean = fractal()
    noisy = to_8_bits(clean + correlated_noise(clean.shape, 2, 0.5))
    result, _ = pipeline.denoise_tensor(bundled("nsp-fast"), noisy)
    # Noise of two levels is a sixth of this texture, and looks like it: 0.18 dB are lost.
    assert psnr(result, to_8_bits(clean)) > psnr(noisy, to_8_bits(clean)) - 0.25


def test_progress_rises_to_the_photos_pixels(restorer, noisy):
    for work in (pipeline.denoise_tensor, pipeline.upscale_tensor):
        seen = []
        work(restorer, noisy, on_progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen == sorted(seen)
        assert seen[-1] == (160 * 184, 160 * 184)


def middle(picture: Tensor, side: int = 256) -> Tensor:
    top, left = ((length - side) // 2 for length in picture.shape[1:])
    return picture[:, top : top + side, left : left + side]


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "name", "least"),
    [
        ("nsp-light", "phone", 12.0),
        ("nsp-light", "dslr", 1.2),
        ("nsp-fast", "phone", 13.0),
        ("nsp-fast", "dslr", 1.8),
    ],
)
def test_real_pictures_gain(bundled, model, name, least):
    restorer, folder, scores = bundled(model), SHARED / "data" / "dev" / name, []
    for pair in find_pairs(folder / "noisy", folder / "clean")[::7]:
        trial = denoising_trial(*map(middle, read_pair(*pair)))
        scores.append(score_trial(name, trial, lambda photo: pipeline.denoise_tensor(restorer, photo)[0]))
    noisy, denoised = (
        mean_score([getattr(score, side) for score in scores]) for side in ("noisy", "denoised")
    )
    assert denoised.psnr > noisy.psnr + least
    assert denoised.ssim > noisy.ssim
    assert all(score.denoised.psnr > score.noisy.psnr - 0.1 for score in scores)
