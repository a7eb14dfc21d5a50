"""Judging without clean pictures agrees with judging with them."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks import NetworkSpec
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.pipeline import denoise_tensor
from nsp_cli.restoration.view import View
from nsp_cli.training import judging
from nsp_cli.training.distillation.own_noise import find_own_noise
from nsp_cli.training.judging import blind_spot_loss, judge, recorrupted_error
from nsp_cli.training.measures import ERROR, LOSS, VALIDATION, Measure
from tests.scenes import scene, to_8_bits, white_noise

SPEC = NetworkSpec(scale=2, input_multiple=1, radius=4, exact_tiling=True, values_per_pixel=50)
EXECUTION = Execution(torch.device("cpu"), torch.float32)


class Smoother(nn.Module):
    """Stand-in for a network: blurs with a box, scales by a gain and enlarges."""

    def __init__(self, side: int, gain: float = 1.0) -> None:
        super().__init__()
        self.side, self.gain = side, gain

    def forward(self, x: Tensor) -> Tensor:
        blurred = functional.avg_pool2d(
            functional.pad(x, [self.side // 2] * 4, mode="reflect"), self.side, stride=1
        )
        return functional.interpolate(blurred * self.gain, scale_factor=2, mode="nearest")


def restorer(side: int, gain: float = 1.0) -> Restorer:
    return Restorer(Smoother(side, gain), SPEC, EXECUTION)


@pytest.fixture(scope="module")
def pictures() -> list[tuple[Tensor, Tensor]]:
    """Noisy and clean uint8 pictures."""
    # The texture in the last third of the scene cannot be distinguished from noise without a clean picture.
    clean = [scene(576, 384)[:, :384].roll(48 * seed, 2) for seed in range(4)]
    noisy = [picture + white_noise(picture.shape, 12, seed) for seed, picture in enumerate(clean)]
    return [(to_8_bits(a), to_8_bits(b)) for a, b in zip(noisy, clean, strict=True)]


def true_error(candidate: Restorer, clean: Tensor, seed: int) -> float:
    """Squared error on noise that is √2 times as strong as the noise of the pictures."""
    noisy = clean / 255 + white_noise(clean.shape, 12 * math.sqrt(2), seed)
    return float((denoise_tensor(candidate, noisy)[0] * 255 - clean).square().mean())


@pytest.mark.slow
def test_differences_of_recorrupted_error_equal_the_true_ones(pictures):
    def mean_errors(candidate: Restorer) -> tuple[float, float]:
        """Estimated and true."""
        estimated = fmean(recorrupted_error(candidate, noisy, seed=9) for noisy, _ in pictures)
        return estimated, fmean(true_error(candidate, clean, seed=9) for _, clean in pictures)

    best = mean_errors(restorer(3))
    for side in (3, 7):
        worse = mean_errors(restorer(side, 0.7))
        assert worse[1] - best[1] > 5, side
        assert worse[0] - best[0] == pytest.approx(worse[1] - best[1], rel=0.25), side


@pytest.mark.slow
def test_judging_without_clean_pictures_agrees_with_judging_with_them(pictures):
    noisy = [noisy for noisy, _ in pictures]
    judgement = judge(restorer(3, 0.7), restorer(3), noisy, pd_factor=5, validation=pictures)
    assert judgement is not None
    assert [measure.title for measure in judgement.measures] == [VALIDATION, ERROR, LOSS]
    assert all(measure.is_better for measure in judgement.measures)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.8])
def test_what_is_left_of_odd_noise_is_told_by_noise_of_other_photos(monkeypatch, kept):
    def banded(picture: Tensor, seed: int) -> Tensor:
        rows = white_noise(torch.Size((1, picture.shape[1], 1)), 9, 50 + seed)
        return picture + rows + white_noise(picture.shape, 9, seed)

    def keep_some(_restorer: object, noisy: Tensor, *, view: View) -> tuple[Tensor, View]:
        return clean + kept * (noisy - clean), view

    flat = torch.stack([banded(torch.full((3, 128, 128), 0.5), 100 + seed) for seed in range(40)])
    clean = scene(384, 384)
    monkeypatch.setattr(judging.pipeline, "denoise_tensor", keep_some)
    noise = find_own_noise(flat)
    assert noise is not None
    found = fmean(
        recorrupted_error(restorer(3), banded(clean, seed), seed=seed, source=noise) for seed in range(8)
    )
    assert found == pytest.approx(kept**2 * 2 * (9**2 + 9**2), rel=0.15, abs=8)


@pytest.mark.slow
def test_the_same_weights_gain_nothing(pictures):
    judgement = judge(restorer(3), restorer(3), [n for n, _ in pictures[:2]], pd_factor=5)
    assert judgement is not None
    assert not judgement.is_better
    assert all(measure.gain == 0 for measure in judgement.measures)


@pytest.mark.parametrize(("error", "of_student", "of_blind_spot"), [(8.8, False, True), (8.2, True, True)])
def test_a_student_must_gain_more_than_the_measure_errs(monkeypatch, error, of_student, of_blind_spot):
    stock, new, grey = restorer(3), restorer(3), [torch.full((3, 64, 64), 0.5)] * 4
    noises = iter([-0.2, 0.2, -0.1, 0.1] * 2)

    def estimated(judged: object, *_: object, **__: object) -> float:
        return 10.0 if judged is stock else error + next(noises)

    monkeypatch.setattr(judging, "recorrupted_error", estimated)
    for pd_factor, is_better in ((None, of_student), (5, of_blind_spot)):
        judgement = judge(stock, new, grey, pd_factor=pd_factor)
        assert judgement is not None
        assert judgement.is_better is is_better


def test_a_night_photo_of_8_bits_is_judged_as_it_is(bundled):
    # As floats it is as dark as linear light, and its noise reaches below black.
    night = torch.full((3, 256, 256), 1 / 255) + white_noise(torch.Size((3, 256, 256)), 0.8)
    night[:, 100:140, 100:140] += 0.5
    error = recorrupted_error(bundled("nsp-fast"), to_8_bits(night), seed=0)
    assert abs(error) < 1


def test_without_pictures_there_is_no_judgement():
    assert judge(restorer(3), restorer(3), [], pd_factor=5) is None


def test_blind_spot_loss_is_the_mean_absolute_error_in_levels():
    grey = torch.full((3, 40, 40), 100, dtype=torch.uint8)
    assert blind_spot_loss(restorer(3, gain=0.9), grey, 5, seed=0) == pytest.approx(10, abs=1e-3)


class TestMeasure:
    def test_a_gain_must_exceed_twice_its_uncertainty(self):
        sure = Measure("m", (1.0, 2.0, 3.0), (0.5, 1.6, 2.4), 2)
        assert sure.gain == pytest.approx(0.5)
        assert sure.uncertainty == pytest.approx(0.1 / math.sqrt(3), abs=1e-6)
        assert sure.is_better
        assert not Measure("m", (1.0, 2.0, 3.0), (0.0, 2.4, 2.9), 2).is_better

    def test_higher_is_better_unless_the_measure_falls(self):
        before, after = (30.0, 31.0, 30.0), (31.0, 32.1, 31.0)
        assert Measure("PSNR", before, after, 2, falls=False).is_better
        assert not Measure("loss", before, after, 2).is_better

    def test_a_single_picture_is_never_significant(self):
        single = Measure("m", (2.0,), (1.0,), 2)
        assert not single.is_better
        assert not single.is_worse
        assert single.show_gain() == "+1.00"

    def test_a_loss_needs_the_same_significance_as_a_gain(self):
        assert Measure("m", (0.5, 1.6, 2.4), (1.0, 2.0, 3.0), 2).is_worse
        assert not Measure("m", (0.0, 2.4, 2.9), (1.0, 2.0, 3.0), 2).is_worse
