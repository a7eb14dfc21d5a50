"""The teacher data set, and the training samples drawn from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsp_cli.errors import TrainingError
from nsp_cli.noise.conditioning import bands_of_residual
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool
from nsp_cli.training.distillation import sampler
from nsp_cli.training.distillation.sample_making import Samples, make_samples
from nsp_cli.training.distillation.sampler import StudentSampler, check_sizes
from nsp_cli.training.distillation.teacher_data import TeacherDataset, prepare_teacher_dataset
from nsp_cli.training.run.recipe import StudentRecipe
from tests.training_photos import noisy_pixels, stored

RECIPE = StudentRecipe(crop=48, batch=3)


@pytest.fixture
def pool(tmp_path: Path) -> PhotoPool:
    photos = [
        stored(tmp_path, noisy_pixels(300, 310, seed=n), noise=noise, name=str(n))
        for n, noise in enumerate((1.0, 2.0, 20.0))
    ]
    return PhotoPool(tuple(photos), (), 3)


@pytest.fixture
def cache(tmp_path: Path) -> PhotoCache:
    return PhotoCache(tmp_path / "run", root=tmp_path / "cache")


@pytest.fixture
def dataset(pool, cache) -> TeacherDataset:
    return prepare_teacher_dataset(pool, cache, plain_grey, "grey")


def samples_of(
    dataset: TeacherDataset,
    recipe: StudentRecipe,
    scale: int = 1,
    *,
    seed: int = 0,
    step: int = 0,
    rank: int = 0,
) -> Samples:
    drawn = StudentSampler(dataset, recipe, scale, rank=rank).draw(seed, step)
    return make_samples(
        drawn, scale=scale, balance=recipe.balance, seed=seed, step=step, device=torch.device("cpu")
    )


def plain_grey(photo: torch.Tensor) -> torch.Tensor:
    return torch.full_like(photo.int(), 30_000).to(torch.uint16)


def test_the_teacher_denoises_every_photo_once_even_if_the_run_starts_again(pool, cache):
    asked = []

    def teach(photo):
        asked.append(photo.shape)
        return photo

    first, second = (prepare_teacher_dataset(pool, cache, teach, "echo") for _ in range(2))
    assert asked == [(3, 300, 310)] * 3
    assert first.checksum == second.checksum


def test_pictures_of_another_teacher_or_other_photos_are_not_reused(pool, cache, dataset, tmp_path):
    echo = prepare_teacher_dataset(pool, cache, lambda photo: photo, "echo")
    assert echo.checksum != dataset.checksum
    assert echo.denoised[0].clean.read(0, 0, 5, 5).std() > 0
    others = [
        replace(stored(tmp_path, noisy_pixels(300, 310, seed=9 + n), noise=1.0, name=str(n)), file=photo.file)
        for n, photo in enumerate(pool.photos)
    ]
    swapped = prepare_teacher_dataset(PhotoPool(tuple(others), (), 3), cache, lambda photo: photo, "echo")
    assert swapped.checksum != echo.checksum
    assert (swapped.denoised[0].clean.read(0, 0, 99, 99) != echo.denoised[0].clean.read(0, 0, 99, 99)).any()


def test_pictures_in_the_cache_have_the_names_that_earlier_versions_gave_them(dataset):
    names = {picture.clean.file.stem.split("-", 2)[2] for picture in dataset.denoised + dataset.downscaled}
    assert names == {"taught", "itself-by2", "itself-by3", "itself-by4", "by2", "by3"}


def test_a_damaged_picture_in_the_cache_is_made_again(pool, cache, dataset):
    file = dataset.denoised[0].clean.file
    file.write_bytes(file.read_bytes()[:1000])
    again = prepare_teacher_dataset(pool, cache, plain_grey, "grey")
    assert again.denoised[0].clean.read(290, 300, 10, 10).min() == 30_000


def test_only_photos_with_mild_noise_are_downscaled(dataset):
    sizes = Counter((picture.clean.height, picture.clean.width) for picture in dataset.downscaled)
    assert sizes == {(150, 155): 2, (100, 103): 2, (75, 77): 2}
    assert [picture.noisy for picture in dataset.real] == list(dataset.pool.photos)


def test_the_photo_is_downscaled_if_its_noise_is_gone_and_else_the_teachers_result(dataset):
    pictures = {(one.clean.noise, round(300 / one.clean.height)): one.clean for one in dataset.downscaled}
    is_photo = {
        key: picture.read(0, 0, picture.height, picture.width).std() > 0 for key, picture in pictures.items()
    }
    expected = {(1.0, 2): True, (1.0, 3): True, (1.0, 4): True, (2.0, 2): False, (2.0, 3): False}
    assert is_photo == expected | {(2.0, 4): True}


@pytest.mark.parametrize("scale", [1, 2])
def test_shapes(dataset, scale):
    drawn = samples_of(dataset, RECIPE, scale)
    assert drawn.noisy.shape == (3, 3, 48, 48)
    assert drawn.clean.shape == (3, 3, 48 * scale, 48 * scale)
    assert drawn.conditioning.shape == (3, 6)
    assert drawn.weights.shape == (3,)


def test_samples_depend_on_seed_and_step(dataset):
    first, again, next_step, other_seed = (
        samples_of(dataset, RECIPE, seed=seed, step=step).noisy
        for seed, step in ((1, 2), (1, 2), (1, 3), (2, 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, next_step)
    assert not torch.equal(first, other_seed)


def test_two_processes_draw_the_same_as_one(dataset):
    one = samples_of(dataset, replace(RECIPE, batch=6), step=5)
    two = [samples_of(dataset, RECIPE, step=5, rank=rank) for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([part.noisy for part in two]), one.noisy)
    torch.testing.assert_close(torch.cat([part.conditioning for part in two]), one.conditioning)


def test_a_real_sample_is_the_photo_and_the_teachers_result(dataset):
    drawn = samples_of(dataset, replace(RECIPE, real=1.0, denoised=0.0))
    assert torch.allclose(drawn.clean, torch.tensor(30_000 / 65_535))
    assert drawn.noisy.std(dim=(2, 3)).min() > 10 / 255


@pytest.mark.parametrize("kind", ["real", "denoised", "downscaled"])
def test_shares_are_kept(dataset, kind, monkeypatch):
    share = {"real": 0.2, "denoised": 0.3, "downscaled": 0.5}[kind]
    choice = StudentSampler(dataset, RECIPE, 1)._choice
    generator = torch.Generator().manual_seed(0)
    members = set(map(id, getattr(dataset, kind)))
    drawn = [id(choice.draw(generator)) in members for _ in range(3000)]
    assert sum(drawn) / 3000 == pytest.approx(share, abs=0.03)


def test_without_error_the_conditioning_is_the_noise(dataset, monkeypatch):
    for name in ("_COMMON_ERROR", "_BAND_ERROR", "_COARSE_ERROR"):
        monkeypatch.setattr(sampler, name, 0.0)
    drawn = samples_of(dataset, replace(RECIPE, real=0.0, denoised=1.0))
    for noisy, clean, conditioning in zip(drawn.noisy, drawn.clean, drawn.conditioning, strict=True):
        torch.testing.assert_close(conditioning, bands_of_residual(noisy - clean))


def test_strong_noise_has_less_weight(dataset):
    drawn = [samples_of(dataset, RECIPE, step=step) for step in range(5)]
    noise = torch.cat([(one.noisy - one.clean).std((1, 2, 3)) for one in drawn])
    weights = torch.cat([one.weights for one in drawn])
    assert weights[noise.argmax()] < weights[noise.argmin()]


def test_enlarging_samples_are_finite_at_sharp_edges_in_the_dark(pool, cache):
    """Halving overshoots below black, where shot noise is not defined."""

    def hard(photo):
        edges = torch.zeros(photo.shape, dtype=torch.int32)
        edges[..., ::7] = 60_000
        return edges.to(torch.uint16)

    dataset = prepare_teacher_dataset(pool, cache, hard, "hard")
    recipe = replace(RECIPE, batch=8, real=0.3, measured=0.3)
    for step in range(20):
        drawn = samples_of(dataset, recipe, 2, step=step)
        assert drawn.conditioning.isfinite().all()
        assert drawn.noisy.min() >= 0
        assert drawn.noisy.max() <= 1
        assert drawn.noisy.mean(dim=(1, 2, 3)).min() > 0.01


def test_measured_noise_has_the_level_of_the_photos(dataset):
    drawn = samples_of(dataset, replace(RECIPE, real=0.0, measured=1.0, batch=30))
    still = samples_of(dataset, replace(RECIPE, real=0.0, measured=0.0, batch=30))
    level = (drawn.noisy - drawn.clean).std(dim=(1, 2, 3))
    # The noise of the photos has 20 levels.
    assert 12 / 255 < level.median() < 25 / 255
    assert (still.noisy - still.clean).std(dim=(1, 2, 3)).min() < 6 / 255


def test_photos_that_are_too_small_are_an_error(dataset):
    with pytest.raises(TrainingError, match="512 pixels"):
        StudentSampler(dataset, replace(RECIPE, crop=512), 1)
    with pytest.raises(TrainingError, match="512 pixels"):
        check_sizes(dataset.pool, replace(RECIPE, crop=256), 2)
