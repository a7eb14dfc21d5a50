"""The structural loss of students, compared with scikit-image's SSIM."""

from __future__ import annotations

import pytest
import torch
from skimage.metrics import structural_similarity

from nsp_cli.training.run.structural_loss import structural_dissimilarity
from nsp_cli.training.run.task import TrainingBatch
from tests.scenes import scene


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.stack([scene(120, 130), scene(120, 130).flip(-1) / 2])


def noisy(clean: torch.Tensor, level: float) -> torch.Tensor:
    return clean + level * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


def test_it_is_one_minus_ssim(clean):
    seen = noisy(clean, 0.04)
    expected = [
        1 - structural_similarity(a, b, win_size=7, channel_axis=0, data_range=1, use_sample_covariance=False)
        for a, b in zip(seen.numpy(), clean.numpy(), strict=True)
    ]
    # The loss uses every ninth window only.
    assert structural_dissimilarity(seen, clean).tolist() == pytest.approx(expected, rel=0.05)


def test_equal_pictures_do_not_differ(clean):
    torch.testing.assert_close(structural_dissimilarity(clean, clean), torch.zeros(2), rtol=0, atol=1e-6)


def test_lost_texture_differs_more_than_a_shift_of_the_same_size():
    texture = 0.5 + 0.02 * torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    lost, shifted = torch.full_like(texture, 0.5), texture + 0.02
    assert structural_dissimilarity(lost, texture) > 10 * structural_dissimilarity(shifted, texture)


def test_a_batch_weights_it_as_given_however_the_batch_is_split(clean):
    seen = noisy(clean, 0.04)
    batch = TrainingBatch((seen,), clean, torch.tensor([1.0, 3.0]), structure=0.5)
    errors = (seen - clean).abs().mean((1, 2, 3)) + 0.5 * structural_dissimilarity(seen, clean)
    expected = (errors * torch.tensor([1.0, 3.0])).mean()
    torch.testing.assert_close(batch.loss(seen), expected)
    parts = [part.loss(part.inputs[0]) for part in batch.split(1)]
    torch.testing.assert_close(torch.stack(parts).mean(), expected)


def test_gradient_descent_reduces_it(clean):
    seen = noisy(clean, 0.04).requires_grad_()
    before = structural_dissimilarity(seen, clean).sum()
    before.backward()
    after = structural_dissimilarity(seen.detach() - 0.01 * seen.grad / seen.grad.abs().mean(), clean).sum()
    assert after < before
