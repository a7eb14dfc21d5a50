"""Strength: what it may be, and how a photo is blended into its result."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from nsp_cli.ops.block_dct import to_luma_chroma
from nsp_cli.restoration.strength import Strength, blend
from tests.scenes import scene, to_8_bits, white_noise


@pytest.fixture
def photo():
    return scene(300, 40) + white_noise((3, 300, 40), 12)


def test_nought_keeps_every_pixel(photo):
    assert torch.equal(blend(to_8_bits(photo), scene(300, 40), Strength(0, 0)), to_8_bits(photo))


@pytest.mark.parametrize("strength", [Strength(), Strength(2, 1.5)])
def test_one_and_more_keep_nothing_of_the_photo(photo, strength):
    assert torch.equal(blend(photo, scene(300, 40), strength), scene(300, 40))


def test_between_them_the_noise_falls_evenly(photo):
    left = [
        float((blend(photo, scene(300, 40), Strength(share, share)) - scene(300, 40)).std())
        for share in (0, 0.25, 0.5, 0.75)
    ]
    steps = [before - after for before, after in pairwise(left)]
    assert steps == pytest.approx([left[0] / 4] * 3, rel=1e-3)


def test_luma_and_chroma_have_their_own_strength(photo):
    denoised, before = to_luma_chroma(scene(300, 40)), to_luma_chroma(photo)
    only_luma, only_chroma = (
        to_luma_chroma(blend(photo, scene(300, 40), Strength(*both))) for both in ((1, 0), (0, 1))
    )
    torch.testing.assert_close(only_luma, torch.cat([denoised[:1], before[1:]]))
    torch.testing.assert_close(only_chroma, torch.cat([before[:1], denoised[1:]]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_the_type_is_that_of_the_photo(dtype):
    white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
    given = (torch.rand(3, 5, 7) * white).to(dtype)
    assert blend(given, torch.rand(3, 5, 7), Strength(0.5, 1)).dtype == dtype


@pytest.mark.parametrize("wrong", [-0.1, 2.1, float("nan")])
def test_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="0 to 2"):
        Strength(wrong, 1)
    with pytest.raises(ValueError, match="0 to 2"):
        Strength(1, wrong)
