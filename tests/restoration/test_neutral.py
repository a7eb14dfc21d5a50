"""Black and white in, black and white out, exactly."""

from __future__ import annotations

import pytest
import torch

from nsp_cli import Strength
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.neutral import is_neutral, neutral
from tests.scenes import scene, to_8_bits, white_noise


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_the_type_stays_and_one_pixel_of_colour_is_enough(dtype):
    white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
    colour = (torch.rand(3, 5, 7) * white).to(dtype)
    grey = neutral(colour)
    assert grey.dtype == dtype
    assert is_neutral(grey)
    other = grey.clone()
    other[0, 2, 3] = 0 if float(grey[0, 2, 3]) else white
    assert not is_neutral(other)


def test_the_channels_of_a_result_can_be_changed_one_by_one():
    grey = neutral(torch.rand(3, 5, 7))
    kept = grey[1:].clone()
    grey[0] = 0
    assert torch.equal(grey[1:], kept)


@pytest.mark.parametrize("model", ["nsp-fast", "nsp-light"])
@pytest.mark.parametrize("strength", [0.5, 1, 2])
def test_black_and_white_stays_exactly_neutral(bundled, model, strength):
    grey = (scene(96, 120) + white_noise((3, 96, 120), 10)).mean(0, keepdim=True).expand(3, -1, -1)
    photo = to_8_bits(grey)
    result, _ = pipeline.denoise_tensor(bundled(model), photo, strength=Strength(strength, strength))
    assert not torch.equal(result, photo)
    assert torch.equal(result[0], result[1])
    assert torch.equal(result[1], result[2])


def test_an_enlargement_of_black_and_white_stays_exactly_neutral(bundled):
    grey = (scene(96, 120) + white_noise((3, 96, 120), 10)).mean(0, keepdim=True).expand(3, -1, -1)
    result, _ = pipeline.upscale_tensor(bundled("nsp-fast-x2"), to_8_bits(grey))
    assert torch.equal(result[0], result[1])
    assert torch.equal(result[1], result[2])
