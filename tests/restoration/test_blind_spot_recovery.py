"""After a blind-spot network: tiles leave no trace, detail comes back, more strength is smoother."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from nsp_cli.evaluation.metrics import psnr
from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.restoration import wiener
from nsp_cli.restoration.blind_spot_recovery import recover_detail
from nsp_cli.restoration.strength import Strength, blend
from tests.scenes import scene, to_8_bits, white_noise


@pytest.fixture
def noisy():
    return to_8_bits(scene(200, 264) + white_noise((3, 200, 264), 12))


def blurred(image):
    """A prediction as bad as can be: texture gone, edges soft."""
    return functional.avg_pool2d(functional.pad(image.float()[None], (2,) * 4, mode="reflect"), 5, 1)[0] / 255


def recovered(noisy, prediction=None, strength=None):
    prediction = blurred(noisy) if prediction is None else prediction
    strength = strength or Strength()
    return blend(noisy, recover_detail(noisy, prediction, estimate_noise(noisy), strength), strength)


@pytest.mark.parametrize("core", [8, 56, 128])
def test_tiles_leave_no_trace(noisy, monkeypatch, core):
    exact = noisy.float() / 255
    monkeypatch.setattr(wiener, "_CORE_ON_CPU", 1 << 20)
    whole = recovered(exact, blurred(noisy))
    monkeypatch.setattr(wiener, "_CORE_ON_CPU", core)
    assert torch.allclose(recovered(exact, blurred(noisy)), whole, atol=2e-6)


def test_same_input_same_output(noisy):
    assert torch.equal(recovered(noisy), recovered(noisy))


def test_texture_that_a_prediction_lost_comes_back(noisy):
    clean = scene(200, 264)
    textured = slice(140, 200)
    prediction = blurred(noisy)
    lost = (prediction - clean)[:, textured].square().mean()
    left = (recovered(noisy, prediction).float() / 255 - clean)[:, textured].square().mean()
    assert left < 0.5 * lost


def test_is_better_than_both_what_it_was_made_of(noisy):
    clean = to_8_bits(scene(200, 264))
    result = psnr(recovered(noisy), clean)
    assert result > psnr(noisy, clean) + 2
    assert result > psnr(to_8_bits(blurred(noisy)), clean) + 1


def test_more_strength_is_smoother_all_the_way(noisy):
    flat = (slice(None), slice(8, 88), slice(8, 88))
    strengths = (0, 0.25, 0.5, 0.75, 1, 1.5, 2)
    residuals = [
        (recovered(noisy, strength=Strength(s, s)).float() / 255 - scene(200, 264))[flat].std()
        for s in strengths
    ]
    # Once nothing is left to remove, a twentieth of a level up or down is no noise.
    assert all(after < before + 2e-4 for before, after in pairwise(residuals))
    assert residuals[-1] < 0.3 * residuals[0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 17)])
def test_type_and_size_are_kept(dtype, shape):
    white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
    photo = (torch.rand(3, *shape) * white).to(dtype)
    result = recover_detail(photo, torch.rand(3, *shape), estimate_noise(photo), Strength())
    assert (result.dtype, result.shape) == (dtype, photo.shape)
    assert result.float().isfinite().all()


def test_a_photo_of_nothing_but_texture_is_left_nearly_alone():
    generator = torch.Generator().manual_seed(2)
    texture = 0.5 + 0.12 * torch.randn(1, 200, 200, generator=generator).expand(3, -1, -1)
    clean = texture.clamp(0.06, 0.94)
    photo = to_8_bits(clean + white_noise(clean.shape, 3))
    assert psnr(recovered(photo), to_8_bits(clean)) > psnr(photo, to_8_bits(clean)) - 0.5
