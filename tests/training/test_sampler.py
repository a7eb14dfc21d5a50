"""Crops are drawn uniformly from the photos, and are the same for the same seed and step."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nsp_cli.errors import TrainingError
from nsp_cli.ops.transfer import linear_to_srgb, srgb_to_linear
from nsp_cli.training.blind_spot import make_pair_batch, stack_crops
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.data.sampler import CropSampler
from nsp_cli.training.run.prefetching import Prefetcher
from nsp_cli.training.run.recipe import BlindSpotRecipe
from nsp_cli.training.simulation.sensor import SensorNoise, add_sensor_noise
from tests.training_photos import noisy_pixels, stored

CPU = torch.device("cpu")


def make_sampler(photos: list[TrainingPhoto], **changes: object) -> CropSampler:
    settings: dict = {"crop": 120, "batch": 3, "multiple": 5, "simulated": 0.0} | changes
    return CropSampler(photos, **settings)


def stack(crops: list) -> torch.Tensor:
    return torch.stack([crop.pixels for crop in crops])


@pytest.fixture
def photos(tmp_path: Path) -> list[TrainingPhoto]:
    return [stored(tmp_path, noisy_pixels(150, 140, seed=n), name=str(n)) for n in range(2)]


def test_same_seed_and_step_give_the_same_crops_and_others_differ(photos):
    sampler = make_sampler(photos)
    first = stack(sampler.draw(1, 5))
    assert torch.equal(first, stack(sampler.draw(1, 5)))
    assert not torch.equal(first, stack(sampler.draw(1, 6)))
    assert not torch.equal(first, stack(sampler.draw(2, 5)))


def test_two_processes_draw_the_same_as_one_with_twice_the_batch(photos):
    halves = [make_sampler(photos, rank=rank).draw(1, 5) for rank in range(2)]
    whole = make_sampler(photos, batch=6).draw(1, 5)
    assert torch.equal(stack(halves[0] + halves[1]), stack(whole))
    assert [crop.number for crop in halves[0] + halves[1]] == [crop.number for crop in whole]


def test_crops_are_parts_of_the_photos_at_full_depth(tmp_path):
    pixels = np.arange(130 * 130 * 3, dtype=np.uint16).reshape(130, 130, 3)
    crop = make_sampler([stored(tmp_path, pixels)]).draw(0, 0)[0].pixels
    assert crop.shape == (3, 120, 120)
    assert set((crop * 65535).round().long().flatten().tolist()) <= set(pixels.flatten().tolist())


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_crops_reach_every_corner(tmp_path, corner):
    pixels = np.zeros((122, 122, 3), np.uint8)
    pixels[corner] = 255
    sampler = make_sampler([stored(tmp_path, pixels)])
    assert any(stack(sampler.draw(0, step)).max() == 255 for step in range(30))


def test_a_window_of_a_photo_gives_only_its_own_pixels(tmp_path):
    pixels = np.zeros((130, 300, 3), np.uint8)
    pixels[:, 150:] = 255
    photo = replace(stored(tmp_path, pixels), left=150, width=150)
    sampler = make_sampler([photo])
    assert all(stack(sampler.draw(0, step)).min() == 255 for step in range(10))


def test_photos_are_drawn_by_area_unless_noise_is_emphasised(tmp_path):
    large = stored(tmp_path, np.full((240, 240, 3), 1, np.uint8), noise=5.0, name="large")
    small = stored(tmp_path, np.full((120, 240, 3), 2, np.uint8), noise=20.0, name="small")

    def share_of_small(emphasis: float) -> float:
        sampler = make_sampler([large, small], batch=20, noise_emphasis=emphasis)
        drawn = Counter(int(c.pixels[0, 0, 0]) for step in range(40) for c in sampler.draw(0, step))
        return drawn[2] / drawn.total()

    assert share_of_small(0.0) == pytest.approx(1 / 3, abs=0.06)
    assert share_of_small(1.0) == pytest.approx(2 / 3, abs=0.06)


def test_small_photos_give_smaller_and_more_crops(tmp_path):
    sampler = make_sampler([stored(tmp_path, noisy_pixels(124, 200))], crop=240)
    assert stack(sampler.draw(0, 0)).shape == (12, 3, 120, 120)


def test_photos_too_small_for_the_network_are_left_out(photos):
    assert stack(make_sampler(photos, crop=480, batch=1, multiple=140).draw(0, 0)).shape[2] == 140
    with pytest.raises(TrainingError, match="needs 160 pixels a side"):
        make_sampler(photos, crop=480, multiple=160)


def test_only_photos_with_mild_noise_get_simulated_noise(tmp_path):
    flat = np.full((130, 130, 3), 100, np.uint8)
    for noise, is_noised in ((1.0, True), (20.0, False)):
        crops = make_sampler([stored(tmp_path, flat, noise)], simulated=1.0).draw(0, 0)
        assert all((crop.noise is not None) is is_noised for crop in crops)
        inputs, _ = make_pair_batch(stack_crops(crops), BlindSpotRecipe(), 2, seed=0, step=0, device=CPU)
        assert bool(inputs.std() > 1e-4) is is_noised


def test_pairs_of_a_crop_do_not_depend_on_the_other_crops(photos):
    crops = make_sampler(photos).draw(0, 0)
    together, _ = make_pair_batch(stack_crops(crops), BlindSpotRecipe(), 2, seed=0, step=0, device=CPU)
    alone, _ = make_pair_batch(stack_crops(crops[1:2]), BlindSpotRecipe(), 2, seed=0, step=0, device=CPU)
    assert torch.equal(together[1:2], alone)
    other_step, _ = make_pair_batch(stack_crops(crops[1:2]), BlindSpotRecipe(), 2, seed=0, step=1, device=CPU)
    assert not torch.equal(alone, other_step)


def test_making_pairs_leaves_the_crops_unchanged(tmp_path):
    flat = np.full((130, 130, 3), 30_000, np.uint16)
    drawn = stack_crops(make_sampler([stored(tmp_path, flat, noise=1.0)], simulated=1.0).draw(0, 0))
    before = drawn.pixels.clone()
    first, again = (
        make_pair_batch(drawn, BlindSpotRecipe(), 2, seed=0, step=0, device=CPU) for _ in range(2)
    )
    assert torch.equal(drawn.pixels, before)
    assert torch.equal(first[0], again[0])


class TestPrefetcher:
    def test_steps_are_drawn_in_order_and_in_advance(self):
        drawn = []

        def draw(step: int) -> int:
            drawn.append(step)
            return step

        with Prefetcher(draw, 7, ahead=3) as prefetcher:
            assert [prefetcher.take() for _ in range(5)] == [7, 8, 9, 10, 11]
        assert max(drawn) >= 12

    def test_a_draw_faster_than_the_steps_causes_no_waiting(self):
        with Prefetcher(lambda _step: time.sleep(0.02), 0) as prefetcher:
            for _ in range(5):
                time.sleep(0.05)
                prefetcher.take()
        assert prefetcher.waited < 0.05

    def test_errors_are_raised_by_take(self):
        def fail(step: int) -> None:
            raise TrainingError("gone")

        with Prefetcher(fail, 0) as prefetcher, pytest.raises(TrainingError, match="gone"):
            prefetcher.take()


class TestSensor:
    def test_srgb_curve_and_its_inverse_agree(self):
        values = torch.linspace(0, 1, 1000)
        torch.testing.assert_close(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5, rtol=0)

    def test_noise_has_the_given_variance_and_is_correlated(self):
        grey = linear_to_srgb(torch.full((1, 3, 400, 400), 0.3))
        noise = SensorNoise(shot=0.001, read=0.0002, gains=(1.0, 1.0))
        (noisy,) = add_sensor_noise(grey, [noise], [torch.Generator().manual_seed(0)])
        noisy = srgb_to_linear(noisy) - 0.3
        green = noisy[1]
        # Sensor pixels keep the full variance; interpolated ones are the mean of four.
        variance = 0.001 * 0.3 + 0.0002
        assert green.var() == pytest.approx((variance + variance / 4) / 2, rel=0.05)
        neighbours = (green[:, 1:] * green[:, :-1]).mean() / green.var()
        assert neighbours == pytest.approx(0.4, abs=0.05)
        assert abs(noisy.mean()) < 1e-3
