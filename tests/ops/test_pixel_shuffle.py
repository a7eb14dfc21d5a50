"""PD: the stated sub-image order, and nothing lost on the way back."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.ops.pixel_shuffle import pd_downsample, pd_upsample


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_round_trip_is_exact(stride):
    image = torch.rand(2, 3, 4 * stride, 7 * stride)
    assert torch.equal(pd_upsample(pd_downsample(image, stride), stride), image)


def test_sub_image_k_holds_one_phase_of_every_picture():
    image = torch.rand(2, 3, 9, 12)
    sub_images = pd_downsample(image, 3)
    for row in range(3):
        for column in range(3):
            k = row * 3 + column
            assert torch.equal(sub_images[2 * k : 2 * k + 2], image[..., row::3, column::3])
