"""The teacher data set, and the training samples drawn from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from nsp_cli.errors import TrainingError
from nsp_cli.noise.conditioning import map_of_residual
from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool
from nsp_cli.training.distillation import teacher_data
from nsp_cli.training.distillation.sample_making import Samples, make_samples
from nsp_cli.training.distillation.sampler import SimulationSampler, check_sizes
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.distillation.teacher_data import TeacherDataset, prepare_teacher_dataset
from nsp_cli.training.run.recipe import StudentRecipe
from nsp_cli.training.simulation.jpeg_compression import standard_tables
from tests.training_photos import noisy_pixels, only, stored

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
    drawn = SimulationSampler(SampleSources(cameras=dataset), recipe, scale, rank=rank).draw(seed, step)
    return make_samples(drawn, scale=scale, seed=seed, step=step, device=torch.device("cpu"))


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
    assert echo.denoised[0].read(0, 0, 5, 5).std() > 0
    others = [
        replace(stored(tmp_path, noisy_pixels(300, 310, seed=9 + n), noise=1.0, name=str(n)), file=photo.file)
        for n, photo in enumerate(pool.photos)
    ]
    swapped = prepare_teacher_dataset(PhotoPool(tuple(others), (), 3), cache, lambda photo: photo, "echo")
    assert swapped.checksum != echo.checksum
    assert (swapped.denoised[0].read(0, 0, 99, 99) != echo.denoised[0].read(0, 0, 99, 99)).any()


def test_pictures_in_the_cache_have_the_names_that_earlier_versions_gave_them(dataset):
    names = {picture.file.stem.split("-", 2)[2] for picture in dataset.denoised + dataset.downscaled}
    assert names == {"taught", "itself-by2", "itself-by3", "itself-by4", "by2", "by3"}


def test_a_damaged_picture_in_the_cache_is_made_again(pool, cache, dataset):
    file = dataset.denoised[0].file
    file.write_bytes(file.read_bytes()[:1000])
    again = prepare_teacher_dataset(pool, cache, plain_grey, "grey")
    assert again.denoised[0].read(290, 300, 10, 10).min() == 30_000


def test_only_photos_with_mild_noise_are_downscaled(dataset):
    sizes = Counter((picture.height, picture.width) for picture in dataset.downscaled)
    assert sizes == {(150, 155): 2, (100, 103): 2, (75, 77): 2}
    assert [picture.noisy for picture in dataset.real] == list(dataset.pool.photos)


def test_the_photo_is_downscaled_if_its_noise_is_gone_and_else_the_teachers_result(dataset):
    pictures = {(one.noise, round(300 / one.height)): one for one in dataset.downscaled}
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
    assert drawn.noise.shape == (3, 6, 6, 6)


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
    torch.testing.assert_close(torch.cat([part.noise for part in two]), one.noise)


def test_a_real_sample_is_the_photo_and_the_teachers_result(dataset):
    drawn = samples_of(dataset, replace(RECIPE, shares=only(taught=1)))
    assert torch.allclose(drawn.clean, torch.tensor(30_000 / 65_535))
    assert drawn.noisy.std(dim=(2, 3)).min() > 10 / 255


def test_the_map_is_that_of_the_noise(dataset):
    drawn = samples_of(dataset, replace(RECIPE, shares=only(camera=1)))
    torch.testing.assert_close(drawn.noise, map_of_residual(drawn.noisy - drawn.clean))


def test_enlarging_samples_are_finite_at_sharp_edges_in_the_dark(pool, cache):
    """Halving overshoots below black, where shot noise is not defined."""

    def hard(photo):
        edges = torch.zeros(photo.shape, dtype=torch.int32)
        edges[..., ::7] = 60_000
        return edges.to(torch.uint16)

    dataset = prepare_teacher_dataset(pool, cache, hard, "hard")
    recipe = replace(RECIPE, batch=8)
    for step in range(20):
        drawn = samples_of(dataset, recipe, 2, step=step)
        assert drawn.noise.isfinite().all()
        assert drawn.noisy.min() >= 0
        assert drawn.noisy.max() <= 1
        assert drawn.noisy.isfinite().all()


@pytest.mark.parametrize(("factor", "is_used"), [(1.8, True), (2.2, False)])
def test_an_estimate_far_above_the_noise_map_is_no_noise_to_make_more_of(
    pool, cache, monkeypatch, factor, is_used
):
    def map_below(pixels, _execution):
        level = estimate_noise(pixels).luma / factor
        return NoiseMap(torch.full((6, 1, 1), level))

    monkeypatch.setattr(teacher_data, "map_noise", map_below)
    made = prepare_teacher_dataset(pool, cache, lambda photo: photo, "echo")
    assert len(made.profiles) == 3
    assert len(made.noises) == (3 if is_used else 0)


def test_tables_are_those_of_the_photos_that_are_jpeg_files(pool, cache, tmp_path):
    file = tmp_path / "photo.jpg"
    Image.fromarray(noisy_pixels(64, 64)).save(file, quality=83, subsampling=1)
    photos = (replace(pool.photos[0], source=file), *pool.photos[1:])
    made = prepare_teacher_dataset(replace(pool, photos=photos), cache, plain_grey, "grey")
    assert made.tables == (standard_tables(83, "4:2:2"),)


def test_measured_noise_has_the_level_of_the_photos(dataset):
    recipe = replace(RECIPE, shares=only(measured=1), batch=30)
    drawn = SimulationSampler(SampleSources(cameras=dataset), recipe).draw(0, 0)
    plans = tuple(replace(plan, reduction=None, mask=None) for plan in drawn.plans)
    made = make_samples(replace(drawn, plans=plans), seed=0, step=0, device=torch.device("cpu"))
    level = (made.noisy - made.clean).std(dim=(1, 2, 3))
    # The noise of the photos has 20 levels; the factors 0.7 to 2 have the median 1.2.
    assert 14 / 255 < level.median() < 30 / 255


def test_photos_that_are_too_small_are_an_error(dataset):
    with pytest.raises(TrainingError, match="512 pixels"):
        SimulationSampler(SampleSources(cameras=dataset), replace(RECIPE, crop=512))
    with pytest.raises(TrainingError, match="512 pixels"):
        check_sizes(dataset.pool, replace(RECIPE, crop=256), 2)
