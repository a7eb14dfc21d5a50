"""A mosaic is split into two whose noise is independent, and the error beside the second is the true one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.transfer import linear_to_srgb
from nsp_cli.training.raw.splitting import MosaicCrops, Split, own_colours
from tests.scenes import scene

SLOPE, FLOOR = 1 / 400, 1e-5


def crops_of(picture: Tensor, seed: int = 0, *, top: float = 0.5) -> tuple[MosaicCrops, Tensor]:
    """A noisy mosaic of a scene (3, H, W) whose expected values are known, and the scene."""
    expected = own_colours(top * picture[None])
    noise = torch.tensor([[[SLOPE] * 4, [FLOOR] * 4]])
    deviation = (SLOPE * expected + FLOOR).sqrt()
    own = torch.randn(expected.shape, generator=torch.Generator().manual_seed(seed))
    light = expected + deviation * own
    return MosaicCrops(light, expected, noise, torch.ones(1, 3), torch.tensor([-0.1])), top * picture[None]


def split_of(crops: MosaicCrops, share: float, seed: int = 7) -> Split:
    return crops.split(share, [torch.Generator().manual_seed(seed)])


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_the_noises_are_independent_and_as_strong_as_stated(share: float) -> None:
    crops, _ = crops_of(scene(768, 768))
    split = split_of(crops, share)
    given, target = ((one - crops.expected) / crops.variance.sqrt() for one in (split.given, split.target))
    assert float((given * target).mean()) == pytest.approx(0, abs=0.02 / share)
    assert float(given.square().mean()) == pytest.approx(1 + share**2, rel=0.02)
    assert float(target.square().mean()) == pytest.approx(1 + 1 / share**2, rel=0.02)
    torch.testing.assert_close(split.told, crops.noise * (1 + share**2))
    known = (split.known / crops.variance).mean()
    assert float(known) == pytest.approx(1 + 1 / share**2, rel=0.02)


def smoothed(mosaic: Tensor, side: int) -> Tensor:
    """The mean of values of the same colour around each, in all colours, (B, 3, H, W)."""
    planes = functional.pixel_unshuffle(mosaic, 2)
    padded = functional.pad(planes, (side // 2,) * 4, mode="reflect")
    mean = functional.pixel_shuffle(functional.avg_pool2d(padded, side, 1), 2)
    return mean.expand(-1, 3, -1, -1)


def true_error(split: Split, picture: Tensor, predicted: Tensor) -> float:
    squares = split.weight * (own_colours(predicted) - own_colours(picture)).square()
    return float(squares.sum() / (split.weight > 0).sum())


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_the_error_is_that_beside_the_truth(share: float, side: int) -> None:
    """Side 1 gives the noisy value itself: nothing may be gained by knowing one's own pixel."""
    crops, picture = crops_of(scene(768, 768))
    split = split_of(crops, share)
    predicted = smoothed(split.given, side)
    truth = true_error(split, picture, predicted)
    assert float(split.error(predicted)) == pytest.approx(truth, rel=0.05)


@pytest.mark.parametrize("shade", [0.001, 0.02, 0.36, 0.9])
def test_errors_in_levels_are_those_of_developed_colours(shade: float) -> None:
    crops, picture = crops_of(torch.full((3, 64, 64), shade), top=1.0)
    crops = replace(crops, whites=torch.full((1, 3), 2.0), lowest=torch.tensor([-9.0]))
    split = split_of(crops, 1.0)
    off = picture + 0.001 * shade
    developed = 255 * (linear_to_srgb(off) - linear_to_srgb(picture))
    assert true_error(split, picture, off) == pytest.approx(float(developed.square().mean()), rel=0.01)


def test_clipped_values_do_not_count() -> None:
    crops, picture = crops_of(torch.full((3, 64, 64), 0.5))
    crops.expected[..., :20] = 0.97  # noise reaches white
    crops.expected[..., 20:32] = -0.099  # and here the least value of the file
    crops.light[..., 32:40] = 0.99
    split = split_of(crops, 1.0)
    assert (split.weight[..., :40] == 0).all()
    assert (split.weight[..., 40:] > 0).all()
    torch.testing.assert_close(split.given[..., :40], crops.light[..., :40])
    spoiled = replace(split, target=split.target.clone())
    spoiled.target[..., :40] = 100
    torch.testing.assert_close(spoiled.error(picture), split.error(picture))


def test_white_is_that_of_each_colour() -> None:
    crops, _ = crops_of(torch.full((3, 64, 64), 1.9))
    is_whole = replace(crops, whites=torch.tensor([[2.0, 1.0, 0.5]])).is_whole
    kept = functional.pixel_unshuffle(is_whole.float(), 2).mean((0, 2, 3))
    assert kept[0] == 1
    assert kept[3] == 0
