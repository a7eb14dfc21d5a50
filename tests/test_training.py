"""Training: what is drawn, that it learns, and that a resumed run is the unbroken one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsp_cli.errors import InputError, TrainingError
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.training.data import CropSampler, PhotoPool, TrainingPhoto, find_photos, load_pool, noise_level
from nsp_cli.training.recipe import Budget, Recipe
from nsp_cli.training.sensor import SensorNoise, add_sensor_noise, linear_to_srgb, srgb_to_linear
from nsp_cli.training.trainer import Trainer

RECIPE = Recipe(crop=120, batch=2)


def noisy_pixels(height: int, width: int, sigma: float = 20.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scene = np.linspace(40, 200, width)[None, :, None] + np.zeros((height, 1, 3))
    return (scene + rng.normal(0, sigma, scene.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def pool() -> PhotoPool:
    photos = [TrainingPhoto(noisy_pixels(150, 140, seed=seed), 20.0) for seed in range(2)]
    return PhotoPool(tuple(photos), (), 2)


def make_trainer(pool: PhotoPool, config: DbsnConfig, **changes: object) -> Trainer:
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    return Trainer(
        pool, network_name="dbsn", config=config, recipe=recipe, seed=3, device=torch.device("cpu")
    )


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trainer.averaged_network().state_dict().values()])


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "trip" / ".hidden").mkdir(parents=True)
        Image.fromarray(noisy_pixels(130, 150)).save(tmp_path / "a.png")
        Image.fromarray(noisy_pixels(700, 600)).save(tmp_path / "trip" / "b.JPG", quality=98)
        Image.fromarray(noisy_pixels(60, 600)).save(tmp_path / "trip" / "narrow.png")
        Image.fromarray(noisy_pixels(130, 150)).save(tmp_path / "trip" / ".hidden" / "c.png")
        (tmp_path / "trip" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
        (tmp_path / "notes.txt").write_text("no photo")
        return tmp_path

    def test_photos_are_found_recursively_without_hidden_ones(self, folder):
        names = [path.name for path in find_photos(folder)]
        assert names == ["a.png", "b.JPG", "broken.jpg", "narrow.png"]

    def test_unusable_photos_are_named_and_skipped(self, folder):
        pool = load_pool([folder], crop=120, seed=0)
        assert [photo.pixels.shape for photo in pool.photos] == [(130, 150, 3), (700, 600, 3)]
        assert {path.name for path, _ in pool.skipped} == {"broken.jpg", "narrow.png"}

    def test_memory_is_bounded_by_windows_of_large_photos(self, folder):
        pool = load_pool([folder], crop=120, seed=0, max_megapixels=0.1)
        assert pool.megapixels <= 0.1

    def test_a_folder_without_photos_is_an_error(self, tmp_path):
        with pytest.raises(TrainingError, match="nothing to train on"):
            load_pool([tmp_path], crop=120, seed=0)
        with pytest.raises(InputError, match="not a folder"):
            load_pool([tmp_path / "absent"], crop=120, seed=0)


class TestSampler:
    def sampler(self, pool: PhotoPool, crop: int = 120, simulated: float = 0.0) -> CropSampler:
        return CropSampler(pool, crop=crop, batch=3, multiple=5, simulated=simulated)

    def test_same_seed_and_step_give_the_same_batch_and_others_differ(self, pool):
        sampler = self.sampler(pool)
        first = sampler.draw(1, 5)
        assert torch.equal(first, sampler.draw(1, 5))
        assert not torch.equal(first, sampler.draw(1, 6))
        assert not torch.equal(first, sampler.draw(2, 5))

    def test_crops_are_parts_of_the_photos(self):
        pixels = np.arange(130 * 130 * 3, dtype=np.uint16).reshape(130, 130, 3)
        pool = PhotoPool((TrainingPhoto(pixels, 20.0),), (), 1)
        crop = (self.sampler(pool).draw(0, 0)[0] * 65535).round().long()
        assert crop.shape == (3, 120, 120)
        assert set(crop.flatten().tolist()) <= set(pixels.flatten().tolist())

    def test_crops_reach_the_photos_last_row_and_column(self):
        pixels = np.zeros((122, 122, 3), np.uint8)
        pixels[-1, -1] = 255
        sampler = self.sampler(PhotoPool((TrainingPhoto(pixels, 20.0),), (), 1))
        assert any(sampler.draw(0, step).max() == 1 for step in range(30))

    def test_photos_smaller_than_a_crop_get_smaller_and_more_crops(self):
        pool = PhotoPool((TrainingPhoto(noisy_pixels(124, 200), 20.0),), (), 1)
        assert self.sampler(pool, crop=240).draw(0, 0).shape == (12, 3, 120, 120)

    def test_photos_too_small_for_the_network_are_left_out(self, pool):
        assert CropSampler(pool, crop=480, batch=1, multiple=140, simulated=0).draw(0, 0).shape[2] == 140
        with pytest.raises(TrainingError, match="160 pixels a side"):
            CropSampler(pool, crop=480, batch=1, multiple=160, simulated=0)

    def test_noisier_photos_are_drawn_more_often_than_their_area(self):
        mild, strong = (TrainingPhoto(noisy_pixels(200, 200), noise) for noise in (2.0, 20.0))
        assert strong.weight > 5 * mild.weight

    def test_only_mild_photos_get_simulated_noise(self):
        flat = np.full((130, 130, 3), 100, np.uint8)
        for noise, is_changed in ((1.0, True), (20.0, False)):
            pool = PhotoPool((TrainingPhoto(flat, noise),), (), 1)
            crops = self.sampler(pool, simulated=1.0).draw(0, 0)
            assert bool(crops.std() > 1e-4) is is_changed


def test_noise_level_follows_the_noise_and_not_the_edges():
    quiet, loud = noise_level(noisy_pixels(200, 200, sigma=4)), noise_level(noisy_pixels(200, 200, sigma=20))
    assert loud == pytest.approx(5 * quiet, rel=0.1)
    bars = np.zeros((200, 200, 3), np.uint8)
    bars[:, 96:104] = 255
    assert noise_level(bars) < 0.5


class TestSensor:
    def test_srgb_curve_and_its_inverse_agree(self):
        values = torch.linspace(0, 1, 1000)
        torch.testing.assert_close(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5, rtol=0)

    def test_noise_has_the_variance_asked_for_and_reaches_neighbours(self):
        grey = linear_to_srgb(torch.full((3, 400, 400), 0.3))
        noise = SensorNoise(shot=0.001, read=0.0002, gains=(1.0, 1.0))
        noisy = srgb_to_linear(add_sensor_noise(grey, noise, torch.Generator().manual_seed(0))) - 0.3
        green = noisy[1]
        # Measured pixels keep the full variance, interpolated ones are the mean of four.
        variance = 0.001 * 0.3 + 0.0002
        assert green.var() == pytest.approx((variance + variance / 4) / 2, rel=0.05)
        neighbours = (green[:, 1:] * green[:, :-1]).mean() / green.var()
        assert neighbours == pytest.approx(0.4, abs=0.05)
        assert abs(noisy.mean()) < 1e-3


class TestTrainer:
    def test_loss_falls(self, pool, tiny_config):
        losses = []
        trainer = make_trainer(pool, tiny_config, learning_rate=2e-2)
        trainer.run(Budget(steps=80), on_progress=lambda now: losses.append(now.loss))
        assert losses[-1] < 0.7 * losses[0]

    def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(self, pool, tiny_config, tmp_path):
        unbroken = make_trainer(pool, tiny_config)
        unbroken.run(Budget(steps=6))
        broken = make_trainer(pool, tiny_config)
        with pytest.raises(KeyboardInterrupt):
            broken.run(Budget(steps=6), checkpoint=tmp_path / "c", on_progress=interrupt_at(3))
        resumed = make_trainer(pool, tiny_config)
        resumed.resume(tmp_path / "c")
        resumed.run(Budget(steps=6))
        assert torch.equal(weights(resumed), weights(unbroken))

    def test_a_checkpoint_of_another_run_is_refused(self, pool, tiny_config, tmp_path):
        make_trainer(pool, tiny_config).save(tmp_path / "c")
        with pytest.raises(TrainingError, match="other settings: recipe"):
            make_trainer(pool, tiny_config, clip=9.0).resume(tmp_path / "c")
        others = PhotoPool(pool.photos[:1], (), 1)
        with pytest.raises(TrainingError, match="other settings: photos"):
            make_trainer(others, tiny_config).resume(tmp_path / "c")

    def test_missing_and_damaged_checkpoints_are_refused(self, pool, tiny_config, tmp_path):
        trainer = make_trainer(pool, tiny_config)
        with pytest.raises(TrainingError, match="no checkpoint"):
            trainer.resume(tmp_path / "absent")
        trainer.save(tmp_path / "c")
        (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:500])
        with pytest.raises(TrainingError, match="no readable checkpoint"):
            trainer.resume(tmp_path / "c")

    def test_a_loss_that_is_not_finite_stops_the_run(self, pool, tiny_config):
        trainer = make_trainer(pool, tiny_config)
        with torch.no_grad():
            trainer.network.tail[-1].bias.fill_(torch.nan)
        with pytest.raises(TrainingError, match="the loss is nan at step 0"):
            trainer.run(Budget(steps=2))

    def test_minutes_bound_a_run_too(self, pool, tiny_config):
        trainer = make_trainer(pool, tiny_config)
        trainer.run(Budget(minutes=1 / 600, steps=10**6))
        assert 0 < trainer.step < 1000


def interrupt_at(step: int):
    def on_progress(now) -> None:
        if now.step == step:
            raise KeyboardInterrupt

    return on_progress


def test_schedule_warms_up_and_falls_to_nothing():
    recipe = Recipe(warm_up=0.1)
    assert recipe.rate_factor(0.05) == pytest.approx(0.5)
    assert recipe.rate_factor(0.1) == pytest.approx(1)
    assert recipe.rate_factor(1.0) == pytest.approx(0, abs=1e-9)
