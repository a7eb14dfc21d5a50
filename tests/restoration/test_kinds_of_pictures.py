"""Pictures on which nsp once did harm: each stands for a kind, and each test makes its own.

The bundled default must not smear texture, drawings or stars, and must find noise wherever it is.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from nsp_cli.evaluation.metrics import psnr
from nsp_cli.ops.block_dct import to_luma_chroma
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer
from tests.scenes import correlated_noise, to_8_bits, white_noise

SIDE = 256


@pytest.fixture(scope="module")
def restorer(bundled):
    return bundled("nsp-fast")


def picture(name: str) -> Tensor:
    """A picture of scikit-image, (3, SIDE, SIDE) in [0, 1]."""
    pixels = getattr(data, name)()[100 : 100 + SIDE, 100 : 100 + SIDE]
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return torch.from_numpy(pixels[..., :3].copy()).permute(2, 0, 1) / 255


def denoised(restorer: Restorer, photo: Tensor) -> Tensor:
    """The result for a picture in [0, 1] that is rounded to 8 bits first, in [0, 1]."""
    return pipeline.denoise_tensor(restorer, to_8_bits(photo))[0] / 255


def decibels(image: Tensor, clean: Tensor) -> float:
    return psnr(to_8_bits(image), to_8_bits(clean))


@pytest.mark.parametrize("name", ["grass", "brick", "gravel"])
@pytest.mark.parametrize("level", [4, 8])
def test_grey_texture_with_grey_noise_does_not_get_worse(restorer, name, level):
    clean = picture(name)
    noisy = clean + white_noise((1, SIDE, SIDE), level).expand(3, -1, -1)
    assert decibels(denoised(restorer, noisy), clean) > decibels(noisy, clean) - 0.1


@pytest.mark.parametrize("name", ["grass", "brick", "gravel", "coffee", "camera"])
def test_a_picture_without_noise_stays_nearly_as_it_is(restorer, name):
    clean = picture(name)
    assert decibels(denoised(restorer, clean), clean) > 40


# Weaker noise in one part of a soft picture is not found, which limits.md says.
@pytest.mark.parametrize(
    ("name", "level", "least"), [("coffee", 9, 2), ("astronaut", 5, 2), ("astronaut", 9, 4)]
)
def test_noise_in_one_part_is_removed_there_and_the_clean_part_is_left_alone(restorer, name, level, least):
    clean = picture(name)
    noise = correlated_noise(clean.shape, level, 0.6)
    noise[..., : SIDE // 2] = 0
    result = denoised(restorer, clean + noise)
    noisy_part, clean_part = slice(SIDE // 2 + 8, None), slice(0, SIDE // 2 - 40)
    gain = decibels(result[..., noisy_part], clean[..., noisy_part]) - decibels(
        (clean + noise)[..., noisy_part], clean[..., noisy_part]
    )
    assert gain > least
    assert decibels(result[..., clean_part], clean[..., clean_part]) > 42


def printed(ink: float = 0.05, paper: float = 0.97) -> Tensor:
    """A page of something like small print: strokes one to two pixels wide in random letters."""
    random, page = np.random.RandomState(0), np.full((SIDE, SIDE), paper, np.float32)
    for top in range(8, SIDE - 12, 14):
        for left in range(6, SIDE - 10, 9):
            letter = random.rand(4, 3) < 0.5
            page[top : top + 8, left : left + 6][np.kron(letter, np.ones((2, 2), bool))] = ink
    return torch.from_numpy(page).expand(3, -1, -1).clone()


def code() -> Tensor:
    """Something like a QR code: black and white squares of four pixels."""
    modules = np.random.RandomState(1).rand(SIDE // 4, SIDE // 4) < 0.5
    return torch.from_numpy(np.kron(modules, np.ones((4, 4), np.float32))).expand(3, -1, -1).clone()


@pytest.mark.parametrize("drawing", [printed(), printed(0.9, 0.1), code()], ids=["print", "screen", "code"])
def test_drawings_come_out_as_they_went_in(restorer, drawing):
    assert decibels(denoised(restorer, drawing), drawing) > 42


@pytest.mark.parametrize("level", [4, 10])
def test_noisy_print_keeps_its_contrast_and_gets_better(restorer, level):
    page = torch.from_numpy(data.page()[:184, :184].copy()).expand(3, -1, -1) / 255
    noisy = page + white_noise(page.shape, level)
    result = denoised(restorer, noisy)
    assert decibels(result, page) > decibels(noisy, page) + 1
    ink, paper = (image[0][page[0] < 0.3].mean() for image in (result, page))
    assert abs(ink - paper) < 0.02


@pytest.mark.parametrize(
    ("colour", "level"),
    [((1.0, 1.0, 1.0), 3), ((1.0, 1.0, 1.0), 6), ((1.0, 0.35, 0.2), 3), ((0.4, 0.6, 1.0), 3)],
)
def test_stars_keep_their_light_and_most_of_their_colour(restorer, colour, level):
    random, sky = np.random.RandomState(2), torch.full((3, SIDE, SIDE), 0.04)
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    places = random.randint(20, SIDE - 20, (40, 2))
    for top, left in places:
        spot = torch.exp(-((rows - int(top)) ** 2 + (columns - int(left)) ** 2) / (2 * 0.9**2))
        sky += 0.4 * spot * torch.tensor(colour).view(3, 1, 1)
    noisy = sky + white_noise(sky.shape, level)
    result = denoised(restorer, noisy)
    near = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for top, left in places:
        near[top - 3 : top + 4, left - 3 : left + 4] = True
    before, after = ((image - 0.04)[:, near].sum() for image in (sky, result))
    assert after > 0.85 * before
    before, after = (to_luma_chroma(image - 0.04)[1:, near].abs().sum() for image in (sky, result))
    assert after > 0.6 * before
