"""What is measured of noise, on simulated noise of known parameters and on real pairs."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.ops.block_dct import to_luma_chroma
from nsp_cli.ops.pixels import pixels_to_tensor
from nsp_cli.photo import read_photo
from tests.conftest import SHARED
from tests.scenes import correlated_noise, scene, to_8_bits, white_noise

WITHIN_TENTH = 0.1


@pytest.mark.parametrize("level", [3, 8, 20])
@pytest.mark.parametrize("width", [0, 0.7, 1.2])
def test_level_is_found_within_a_tenth_beside_texture_and_edges(level, width):
    clean = scene()
    noise = correlated_noise(clean.shape, level, width) if width else white_noise(clean.shape, level)
    profile = estimate_noise(to_8_bits(clean + noise))
    assert profile.luma * 255 == pytest.approx(level, rel=WITHIN_TENTH)
    assert profile.chroma * 255 == pytest.approx(level, rel=WITHIN_TENTH)


def test_correlation_length_is_that_of_the_noise():
    # Gaussian blur of width w gives the correlation exp(−d² / 4w²), which is 1/e at d = 2w.
    for width in (0.7, 1.0, 1.5):
        noise = correlated_noise(scene().shape, 10, width)
        length = estimate_noise(to_8_bits(scene() + noise)).correlation_length()
        assert length == pytest.approx(2 * width, abs=0.35)
    assert estimate_noise(to_8_bits(scene() + white_noise(scene().shape, 10))).correlation_length() < 1


def test_white_noise_has_a_flat_spectrum_and_no_correlation():
    profile = estimate_noise(to_8_bits(scene() + white_noise(scene().shape, 10)))
    spectrum = profile.spectrum.flatten(1) * 255**2
    assert spectrum[:, 1:].mean() == pytest.approx(100, rel=0.1)
    assert spectrum[:, 1:].std() < 20
    off_centre = profile.autocorrelation().flatten()[1:]
    assert off_centre.abs().max() < 0.15


def test_growth_with_brightness_is_found():
    clean = scene()
    level = 2 + 20 * clean  # 8-bit steps
    profile = estimate_noise(to_8_bits(clean + white_noise(clean.shape, 1) * level))
    for channel, share in enumerate((0.9, 1.0, 0.8)):
        # The scene's channels are these shares of a grey plane; their mean is 0.9 of it.
        expected = 2 + 20 * profile.brightness / 0.9 * share
        assert torch.allclose(profile.levels[channel] * 255, expected, rtol=0.15)


def test_channels_of_different_noise_differ():
    clean = scene()
    noise = white_noise(clean.shape, 1) * torch.tensor([4.0, 8.0, 16.0]).view(3, 1, 1)
    levels = estimate_noise(to_8_bits(clean + noise)).levels.square().mean(1).sqrt() * 255
    assert levels.tolist() == pytest.approx([4, 8, 16], rel=WITHIN_TENTH)


def test_clipped_regions_do_not_hide_noise():
    clean = scene()
    clean[:, :60], clean[:, 60:120] = -0.2, 1.2
    profile = estimate_noise(to_8_bits(clean + white_noise(clean.shape, 10)))
    assert profile.luma * 255 == pytest.approx(10, rel=0.2)


def test_jpeg_leaves_the_level_recognisable():
    noisy = to_8_bits(scene() + correlated_noise(scene().shape, 10, 0.7))
    file = io.BytesIO()
    Image.fromarray(noisy.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=92)
    decoded = np.array(Image.open(file))
    assert estimate_noise(pixels_to_tensor(decoded)).luma * 255 == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_any_type_of_pixels_gives_the_same(dtype):
    noisy = to_8_bits(scene() + white_noise(scene().shape, 10)).float() / 255
    white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
    assert estimate_noise((noisy * white).to(dtype)).luma * 255 == pytest.approx(10, rel=WITHIN_TENTH)


def test_a_clean_picture_is_clean_and_a_noisy_one_is_not():
    clean = scene()[:, :256]
    assert estimate_noise(to_8_bits(clean)).is_clean
    assert estimate_noise(torch.full((3, 64, 64), 128, dtype=torch.uint8)).is_clean
    assert not estimate_noise(to_8_bits(clean + white_noise(clean.shape, 2))).is_clean


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (8, 8), (20, 9)])
def test_the_smallest_photos_are_measured(shape):
    profile = estimate_noise(torch.randint(0, 256, (3, *shape)).to(torch.uint8))
    assert profile.spectrum.isfinite().all()
    assert profile.correlation_length() >= 0


@pytest.mark.shared
def test_real_phone_noise_is_found_within_a_fifth():
    folder = SHARED / "data" / "dev" / "phone"
    ratios = []
    for noisy_path in sorted((folder / "noisy").iterdir())[::4]:
        noisy, clean = (
            pixels_to_tensor(read_photo(path).pixels)
            for path in (noisy_path, folder / "clean" / noisy_path.name)
        )
        true = to_luma_chroma(noisy.float() - clean.float())[0].std()
        ratios.append(estimate_noise(noisy).luma * 255 / float(true))
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)
