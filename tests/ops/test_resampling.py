"""Halving is what image programs do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from nsp_cli.ops.resampling import KERNELS, halve


def picture() -> torch.Tensor:
    """Returns a picture of low contrast, so that Pillow clips nothing between its passes."""
    return 0.4 + 0.2 * torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kernel", "theirs"), [("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)]
)
def test_as_pillow_does(kernel, theirs):
    ours = halve(picture(), kernel)
    planes = [Image.fromarray(plane.numpy()).resize((32, 24), theirs) for plane in picture()]
    expected = torch.from_numpy(np.stack([np.asarray(plane) for plane in planes]))
    inner = (slice(None), slice(3, -3), slice(3, -3))
    torch.testing.assert_close(ours[inner], expected[inner], atol=1e-4, rtol=0)


def test_by_area_it_is_the_mean_of_four():
    torch.testing.assert_close(halve(picture(), "area"), functional.avg_pool2d(picture(), 2))


@pytest.mark.parametrize("kernel", KERNELS)
def test_grey_stays_grey(kernel):
    torch.testing.assert_close(halve(torch.full((3, 12, 14), 0.3), kernel), torch.full((3, 6, 7), 0.3))
