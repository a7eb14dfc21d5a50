"""A folder of noisy photos becomes pictures and noise to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nsp_cli.photo import CameraFacts
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.distillation import adaptation
from nsp_cli.training.distillation.adaptation import choose_windows, prepare_adaptation
from nsp_cli.training.distillation.folder_noise import find_noise
from nsp_cli.training.distillation.own_noise import NoiseSource
from nsp_cli.training.run.recipe import Budget
from tests.training_photos import noisy_pixels, stored


def pool_of(*photos: TrainingPhoto) -> PhotoPool:
    return PhotoPool(photos, (), len(photos))


def photo_of(name: str, height: int, width: int) -> TrainingPhoto:
    return TrainingPhoto(Path(name), Path(name), 5, 7, height, width, 1.0, CameraFacts(), hash(name))


def prepared(pool: PhotoPool, folder: Path, denoise=lambda pixels: pixels):
    return prepare_adaptation(pool, pool.photos, PhotoCache(folder / "run", root=folder), denoise, "echo")


class TestWindows:
    POOL = pool_of(photo_of("a", 3000, 2100), photo_of("b", 700, 900), photo_of("c", 1024, 4096))

    def test_they_never_overlap_and_stay_inside(self):
        seen = {photo.source.name: np.zeros((photo.height, photo.width), int) for photo in self.POOL.photos}
        for window in choose_windows(self.POOL, Budget(), 128, 0):
            rows = slice(window.top - 5, window.top - 5 + window.height)
            columns = slice(window.left - 7, window.left - 7 + window.width)
            part = seen[window.source.name][rows, columns]
            assert part.shape == (window.height, window.width)
            part += 1
        assert all(times.max() == 1 for times in seen.values())

    def test_each_photo_has_its_turn(self):
        chosen = choose_windows(self.POOL, Budget(minutes=0.5), 128, 0)
        assert len(chosen) == adaptation.FEWEST_WINDOWS
        assert {window.source.name for window in chosen} == {"a", "b", "c"}

    @pytest.mark.parametrize(("budget", "most"), [(Budget(minutes=1), 8), (Budget(minutes=60), 64)])
    def test_a_short_run_has_fewer(self, budget, most):
        pool = pool_of(photo_of("a", 20_000, 20_000))
        assert len(choose_windows(pool, budget, 128, 0)) == most


def test_the_noise_of_a_folder_is_found(tmp_path):
    pool = pool_of(*(stored(tmp_path, noisy_pixels(300, 900, 9, seed=n), name=f"{n}") for n in range(3)))
    noise = find_noise(pool.photos).sample(torch.full((3, 128, 128), 0.5), torch.Generator().manual_seed(0))
    assert float(noise.std()) * 255 == pytest.approx(9, rel=0.15)


def faster(photo: TrainingPhoto, iso: int) -> TrainingPhoto:
    return replace(photo, facts=CameraFacts(iso=iso))


def level(source: NoiseSource) -> float:
    noise = source.sample(torch.full((3, 128, 128), 0.5), torch.Generator().manual_seed(0))
    return float(noise.std()) * 255


def noisy_photos(folder: Path, sigma: float, count: int = 3) -> list[TrainingPhoto]:
    return [stored(folder, noisy_pixels(300, 900, sigma, seed=n), name=f"{sigma}-{n}") for n in range(count)]


def test_photos_without_a_flat_place_are_measured_and_not_judged(tmp_path):
    found = find_noise([stored(tmp_path, noisy_pixels(200, 110, 15))])
    assert not found.is_known
    assert level(found) == pytest.approx(15, rel=0.15)
    assert found.like(torch.full((3, 200, 200), 0.5), CameraFacts()) is None


def test_noise_of_different_speeds_is_kept_apart(tmp_path):
    photos = [
        faster(photo, iso)
        for iso, sigma in ((100, 3.0), (6400, 15.0))
        for photo in noisy_photos(tmp_path, sigma)
    ]
    # Too small to have a flat place.
    found = find_noise([*photos, faster(stored(tmp_path, noisy_pixels(200, 110, 8), name="small"), 800)])
    levels = {iso: level(source) for (_, iso), source in found.sources.items()}
    assert levels.pop(800) == pytest.approx(8, rel=0.3)
    assert levels == pytest.approx({100: 3, 6400: 15}, rel=0.15)
    assert found.photos == {("", 100): 3, ("", 6400): 3, ("", 800): 1}


def test_a_photo_is_judged_with_noise_like_its_own(tmp_path):
    found = find_noise([faster(photo, 100) for photo in noisy_photos(tmp_path, 9)])
    like, quieter, louder = (
        torch.from_numpy(noisy_pixels(300, 300, sigma, 9)).permute(2, 0, 1) for sigma in (9, 6, 13)
    )
    assert found.like(like, CameraFacts(iso=100)) is found.sources["", 100]
    assert found.like(quieter, CameraFacts(iso=100)) is None
    assert found.like(louder, CameraFacts(iso=100)) is None
    assert found.like(like[:, :, :100], CameraFacts(iso=100)) is None  # too small to have a flat place
    assert found.like(like, CameraFacts(iso=200)) is None


def test_photos_that_differ_in_noise_unsaid_are_not_judged_by_each_other(tmp_path):
    assert not find_noise([*noisy_photos(tmp_path, 3), *noisy_photos(tmp_path, 15)]).is_known


def test_small_photos_give_no_windows():
    pool = pool_of(*(photo_of(f"{n}", 124, 400) for n in range(12)), photo_of("large", 900, 900))
    assert {window.source.name for window in choose_windows(pool, Budget(minutes=0.5), 128, 0)} == {"large"}


def test_photos_of_16_bits_are_not_rounded_to_8(tmp_path):
    fine = stored(tmp_path, noisy_pixels(200, 300).astype(np.uint16) * 257)
    assert prepared(pool_of(fine), tmp_path).is_fine
    assert not prepared(pool_of(stored(tmp_path, noisy_pixels(200, 300), name="8")), tmp_path).is_fine


def test_results_are_made_once(tmp_path):
    pool = pool_of(stored(tmp_path, noisy_pixels(300, 400)))
    first = prepared(pool, tmp_path)
    assert [picture.side for picture in first.clean] == [300, 150, 100]

    def again(_pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    assert [picture.file for picture in prepared(pool, tmp_path, again).clean] == [
        picture.file for picture in first.clean
    ]
    assert first.describe() == pool.describe()


def test_black_and_white_photos_are_recognised(tmp_path):
    grey = noisy_pixels(200, 300)[..., :1].repeat(3, 2)
    colour = stored(tmp_path, noisy_pixels(200, 300), name="colour")
    photos = [stored(tmp_path, grey, name="grey")]
    assert prepared(pool_of(*photos), tmp_path).is_grey
    assert not prepared(pool_of(*photos, colour), tmp_path).is_grey


def test_photos_in_linear_light_are_learned_from_as_they_are_denoised(tmp_path):
    night = np.random.default_rng(0).integers(50, 150, (200, 300, 3)).astype(np.uint16)
    seen: list[float] = []

    def look(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(float(pixels.float().median()) / 65535)
        return pixels

    prepared(pool_of(stored(tmp_path, night)), tmp_path, look)
    assert seen == [pytest.approx(0.2, abs=0.01)]


class TestBudget:
    def test_reading_and_judging_count_as_time(self):
        budget = Budget(minutes=2, elsewhere=30)
        assert budget.progress(0, 0) == 0
        assert budget.progress(50, 90) == pytest.approx(1)
        assert budget.seconds_left(50, 30) == pytest.approx(60)

    def test_half_of_the_time_is_for_training(self):
        assert Budget(minutes=1, elsewhere=500).progress(5, 30) == pytest.approx(1)

    def test_steps_are_counted_whatever_else_takes_time(self):
        budget = Budget(steps=10, elsewhere=500)
        assert budget.progress(5, 20) == 0.5
        assert budget.seconds_left(5, 20) == 20
