"""PSNR and SSIM against an independent implementation (scikit-image)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from nsp_cli.evaluation.metrics import psnr, ssim


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    clean = np.repeat(np.repeat(rng.integers(0, 256, (8, 9, 3)), 6, axis=0), 6, axis=1)
    noisy = (clean + rng.normal(0, 20, clean.shape)).clip(0, 255)
    return clean.astype(np.uint8), noisy.astype(np.uint8)


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)


def test_psnr_agrees_with_scikit_image(pictures):
    clean, noisy = pictures
    expected = peak_signal_noise_ratio(clean, noisy, data_range=255)
    assert psnr(tensor(noisy), tensor(clean)) == pytest.approx(expected, abs=1e-9)


def test_ssim_agrees_with_scikit_image(pictures):
    clean, noisy = pictures
    expected = structural_similarity(
        noisy,
        clean,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(tensor(noisy), tensor(clean)) == pytest.approx(expected, abs=1e-6)


def test_equal_pictures_score_best(pictures):
    clean = tensor(pictures[0])
    assert math.isinf(psnr(clean, clean))
    assert ssim(clean, clean) == pytest.approx(1)


def test_ssim_refuses_a_picture_smaller_than_its_window():
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(torch.zeros(3, 10, 40, dtype=torch.uint8), torch.zeros(3, 10, 40, dtype=torch.uint8))
