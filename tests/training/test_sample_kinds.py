"""Kinds of training samples: their shares, and what is special about each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsp_cli.errors import TrainingError
from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.ops.pixels import from_unit_range
from nsp_cli.training.data.clean_photos import PicturePair, load_picture_pairs, with_halves
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.distillation import sampler as sampler_module
from nsp_cli.training.distillation import sources as sources_module
from nsp_cli.training.distillation.added_noise import added_noise
from nsp_cli.training.distillation.crops import activity_of
from nsp_cli.training.distillation.own_noise import MeasuredSource
from nsp_cli.training.distillation.sample_making import Samples, make_samples
from nsp_cli.training.distillation.sample_plan import CarriedNoise, SamplePlan
from nsp_cli.training.distillation.sampler import SimulationSampler
from nsp_cli.training.distillation.sources import SampleSources, find_flats
from nsp_cli.training.distillation.teacher_data import prepare_teacher_dataset
from nsp_cli.training.run.recipe import EstimatorRecipe, PictureShares, SampleShares, SimulationRecipe
from nsp_cli.training.simulation.augmentation import Augmentation
from nsp_cli.training.simulation.jpeg_compression import Compression, standard_tables
from nsp_cli.training.simulation.masks import NoiseMask
from nsp_cli.training.simulation.sensor import SensorNoise
from tests.scenes import scene
from tests.training_photos import noisy_pixels, only, stored

RECIPE = SimulationRecipe(crop=48, batch=6)
KINDS = [field.name for field in fields(SampleShares)]
NOISE = 12.0


def pixels_of(picture: torch.Tensor) -> np.ndarray:
    return from_unit_range(picture, torch.uint8).permute(1, 2, 0).numpy()


def clean_photo(folder: Path) -> TrainingPhoto:
    return stored(folder, pixels_of(scene(200, 220)), noise=1.0, name="clean")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> PhotoCache:
    folder = tmp_path_factory.mktemp("cache")
    return PhotoCache(folder / "run", root=folder)


@pytest.fixture(scope="module")
def sources(tmp_path_factory, cache) -> SampleSources:
    """A clean photo, a pair with white noise, and two flat camera photos with the same."""
    folder, noise = (
        tmp_path_factory.mktemp("photos"),
        np.random.default_rng(5).normal(0, NOISE, (200, 220, 3)),
    )
    clean = clean_photo(folder)
    noisy = (pixels_of(scene(200, 220)) + noise).clip(0, 255).astype(np.uint8)
    photos = [
        stored(folder, noisy_pixels(300, 310, NOISE, seed=n), noise=NOISE, name=str(n)) for n in range(2)
    ]
    cameras = prepare_teacher_dataset(PhotoPool(tuple(photos), (), 2), cache, lambda photo: photo, "echo")
    return SampleSources(
        with_halves(PhotoPool((clean,), (), 1), cache),
        (PicturePair(stored(folder, noisy, name="noisy"), clean),),
        cameras,
        find_flats(photos, cameras.profiles, cache),
        own=MeasuredSource(cameras.noises[:1]),
    )


def samples_of(
    sources: SampleSources, scale: int = 1, *, step: int = 0, batch: int = 6, **shares: float
) -> Samples:
    recipe = replace(RECIPE, shares=only(**shares), batch=batch)
    drawn = SimulationSampler(sources, recipe, scale).draw(0, step)
    return make_samples(drawn, scale=scale, seed=0, step=step, device=torch.device("cpu"))


def shares_of(sources: SampleSources, shares: SampleShares) -> dict[str, float]:
    kinds = SimulationSampler(sources, replace(RECIPE, shares=shares))._kinds
    generator = torch.Generator().manual_seed(0)
    drawn = Counter(kinds.draw(generator) for _ in range(3000))
    return {kind: drawn[kind] / 3000 for kind in KINDS}


# Nothing is adapted to photos and enlarges them.
@pytest.mark.parametrize(
    ("kind", "scale"), [(kind, scale) for kind in KINDS for scale in (1, 2) if (kind, scale) != ("own", 2)]
)
def test_each_kind_makes_samples_with_noise_or_without(sources, kind, scale):
    made = samples_of(sources, scale, **{kind: 1})
    assert made.noisy.shape == (6, 3, 48, 48)
    assert made.clean.shape == (6, 3, 48 * scale, 48 * scale)
    assert made.noise.shape == (6, 6, 6, 6)
    for tensor in (made.noisy, made.clean, made.noise):
        assert tensor.isfinite().all()
        assert tensor.min() >= 0
    assert max(float(made.noisy.max()), float(made.clean.max())) <= 1
    is_still = kind.startswith("still") or kind == "taught"  # the teacher changes nothing here
    assert (float(made.noise.max()) == 0) == is_still


def test_shares_are_kept(sources):
    shares = asdict(SampleShares())
    whole = sum(shares.values())
    expected = {kind: share / whole for kind, share in shares.items()}
    assert shares_of(sources, SampleShares()) == pytest.approx(expected, abs=0.03)


def test_what_has_no_source_leaves_its_share_to_its_group(sources):
    found = shares_of(replace(sources, pairs=(), flats=()), SampleShares())
    assert (found["pairs"], found["moved"], found["flat"]) == (0, 0, 0)
    assert found["taught"] == pytest.approx(0.32 / 1.11, abs=0.03)
    # Of the shares, which add up to 1.11, all kinds of added noise have 0.725; 0.04 of that has no source.
    assert found["camera"] == pytest.approx(0.45 / 1.11 * 0.725 / 0.685, abs=0.03)
    assert found["still"] == pytest.approx(0.03, abs=0.01)


def test_black_and_white_photos_are_learned_from_in_black_and_white(sources):
    made = samples_of(replace(sources, is_grey=True), own=1).clean
    assert all(torch.equal(one[0], one[1]) and torch.equal(one[1], one[2]) for one in made)
    coloured = samples_of(sources, own=1).clean
    assert not torch.equal(coloured[:, 0], coloured[:, 1])


def test_samples_are_as_fine_as_the_photos(sources):
    def is_rounded(made: Samples) -> bool:
        return bool(((made.noisy * 255).round() / 255 - made.noisy).abs().max() < 1e-6)

    assert is_rounded(samples_of(sources, own=1))
    assert not is_rounded(samples_of(replace(sources, is_fine=True), own=1))


def test_photos_come_from_their_sources_by_their_shares(sources):
    choice = SimulationSampler(sources, RECIPE)._photos
    generator = torch.Generator().manual_seed(0)
    clean = set(map(id, sources.clean))
    drawn = [id(choice.draw(generator)) in clean for _ in range(2000)]
    # There is nothing downscaled: the photos are too noisy.
    assert sum(drawn) / 2000 == pytest.approx(0.74 / 0.83, abs=0.03)


@pytest.mark.parametrize(("recipe", "share"), [(SimulationRecipe, 0.14), (EstimatorRecipe, 0.3)])
@pytest.mark.parametrize("are_few", [False, True])
def test_heaps_keep_their_share_even_if_there_are_few_photos(sources, monkeypatch, recipe, share, are_few):
    monkeypatch.setattr(sampler_module, "draw_heap", lambda side, _generator: torch.ones(3, side, side))
    known = replace(sources, clean=()) if are_few else sources
    drawn = SimulationSampler(known, recipe(crop=8, batch=800, shares=only(still=1))).draw(0, 0).clean
    assert float((drawn.amin((1, 2, 3)) == 1).float().mean()) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("pictures", [PictureShares(), PictureShares(0, 0, 0, heaps=1)])
def test_heaps_alone_are_not_enough(sources, pictures):
    known = SampleSources() if pictures.clean else sources
    with pytest.raises(TrainingError, match="All photos are too small"):
        SimulationSampler(known, replace(RECIPE, pictures=pictures))


def test_the_busiest_crop_has_texture_all_over(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (200, 400, 3), np.uint8)
    noise[:, :200] = 100  # a wall beside a lawn
    sources = SampleSources(clean=(stored(tmp_path, noise),))
    busy, usual = (
        SimulationSampler(
            sources,
            replace(RECIPE, busy=share, batch=60, shares=only(still=1), pictures=PictureShares(heaps=0)),
        ).draw(0, 0)
        for share in (1.0, 0.0)
    )
    lawns = [sum(activity_of(one) > 0.01 for one in drawn.clean) / 60 for drawn in (busy, usual)]
    # A single crop is lawn to four fifths in less than half of the cases.
    assert lawns[0] > 0.65
    assert lawns[1] < 0.6


def test_half_of_the_pairs_are_as_they_are_and_the_others_have_another_exposure(sources):
    made = samples_of(sources, batch=40, pairs=1)
    is_whole = (made.clean * 255 - (made.clean * 255).round()).abs().amax((1, 2, 3)) < 1e-3
    assert 10 < int(is_whole.sum()) < 30
    level = (made.noisy - made.clean).std((1, 2, 3)) * 255
    torch.testing.assert_close(level[is_whole], torch.full_like(level[is_whole], NOISE), rtol=0.08, atol=0)
    assert level[~is_whole].min() < 0.6 * NOISE


def test_noise_of_a_pair_moves_to_a_picture_as_bright(sources):
    made = samples_of(sources, batch=30, moved=1)
    level = (made.noisy - made.clean).std((1, 2, 3)).median() * 255
    assert 0.5 * NOISE < level < 1.3 * NOISE
    torch.testing.assert_close(made.noisy * 255, (made.noisy * 255).round(), rtol=0, atol=1e-3)


def test_the_noise_of_a_dark_pair_moves_to_a_dark_picture(sources, tmp_path):
    dark, bright = (
        stored(tmp_path, np.full((60, 60, 3), value, np.uint8), name=str(value)) for value in (30, 220)
    )
    known = replace(sources, clean=(dark, bright), pairs=(PicturePair(dark, dark),), cameras=None, flats=())
    recipe = replace(RECIPE, shares=only(moved=1), batch=40, pictures=PictureShares(heaps=0))
    drawn = SimulationSampler(known, recipe).draw(0, 0)
    assert int((drawn.clean.mean((1, 2, 3)) < 0.5).sum()) > 34


def test_noise_of_a_flat_patch_is_as_strong_as_its_photos_noise_at_that_brightness():
    levels = torch.tensor([0.01, 0.02]).expand(3, 2)
    profile = NoiseProfile(torch.tensor([0.2, 0.8]), levels, torch.ones(3, 8, 8))
    noise = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(1)) - 0.5
    plan = SamplePlan(0, CarriedNoise(noise, 1.0, profile, 0.2))
    for brightness, factor in ((0.2, 1), (0.5, 1.5), (0.8, 2)):
        still = torch.full((1, 3, 48, 48), brightness)
        torch.testing.assert_close(added_noise(still, [plan], [torch.Generator()])[0], factor * noise)


def test_flat_patches_give_their_photos_noise(sources):
    assert len(sources.flats) == 2
    drawn = SimulationSampler(sources, replace(RECIPE, shares=only(flat=1), batch=40)).draw(0, 0)
    plain = replace(drawn, plans=tuple(replace(plan, reduction=None, mask=None) for plan in drawn.plans))
    made = make_samples(plain, seed=0, step=0, device=torch.device("cpu"))
    level = (made.noisy - made.clean).std((1, 2, 3)).median() * 255
    # Factors 0.5 to 3 have the median 1.2.
    assert 0.8 * NOISE < level < 1.6 * NOISE


def test_a_patch_smaller_than_a_sample_is_continued(sources, tmp_path):
    large = stored(tmp_path, pixels_of(scene(200, 200)), noise=1.0, name="large")
    recipe = replace(RECIPE, crop=160, shares=only(flat=1))
    drawn = SimulationSampler(replace(sources, clean=(large,)), recipe).draw(0, 0)
    noise = drawn.plans[0].noise.noise
    assert noise.shape == (3, 160, 160)
    assert noise[..., -16:].std() > 0.5 * noise.std()


def test_dark_samples_keep_16_bits(sources):
    made = samples_of(sources, dark=1)
    assert made.clean.mean() < 0.2
    assert ((made.noisy * 255 - (made.noisy * 255).round()).abs() > 0.1).float().mean() > 0.3


def test_some_samples_are_grey_with_grey_noise(sources):
    recipe = replace(RECIPE, shares=only(camera=1), batch=60, pictures=PictureShares(heaps=0))
    drawn = SimulationSampler(sources, recipe).draw(0, 0)
    made = make_samples(drawn, seed=0, step=0, device=torch.device("cpu"))
    is_grey = (made.clean[:, 0] - made.clean[:, 2]).abs().amax((1, 2)) < 1e-6
    assert 0 < int(is_grey.sum()) < 20
    for noisy in made.noisy[is_grey]:
        assert torch.equal(noisy[0], noisy[2])


def test_compression_leaves_no_other_colour_in_sepia(sources):
    tone = (1.0, 0.9, 0.7)
    drawn = SimulationSampler(sources, replace(RECIPE, shares=only(sensor=1))).draw(0, 0)
    plans = tuple(
        replace(plan, augmentation=Augmentation(tone=tone), compressions=(Compression(standard_tables(60)),))
        for plan in drawn.plans
    )
    noisy = make_samples(replace(drawn, plans=plans), seed=0, step=0, device=torch.device("cpu")).noisy
    other = (noisy[:, 1:] - torch.tensor(tone[1:]).view(2, 1, 1) * noisy[:, :1]).abs()
    assert other.masked_fill(noisy[:, :1] == 1, 0).max() < 1.01 / 255


def test_grey_noise_is_mostly_weak(sources):
    """Noise of a camera has up to 70 levels, but grey noise hardly ever more than 14."""
    recipe = replace(RECIPE, shares=only(camera=1), batch=300)
    drawn = SimulationSampler(sources, recipe).draw(0, 0)
    toned = [plan for plan in drawn.plans if plan.augmentation.tone]
    assert 0.65 < sum(plan.most_noise is not None for plan in toned) / len(toned) < 1
    assert all(plan.most_noise is None for plan in drawn.plans if not plan.augmentation.tone)
    limits = [255 * plan.most_noise for plan in toned if plan.most_noise is not None]
    assert 1 <= min(limits) < 4 < max(limits) <= 14


def test_only_noise_above_the_limit_gets_weaker():
    plan = SamplePlan(0, SensorNoise(0.01, 1e-4, (2.0, 1.6)), Augmentation(tone=(1.0, 1.0, 1.0)))
    limited, allowed, free = (
        added_noise(
            torch.full((1, 3, 48, 48), 0.5),
            [replace(plan, most_noise=limit)],
            [torch.Generator().manual_seed(1)],
        )
        for limit in (3 / 255, 0.5, None)
    )
    assert torch.equal(allowed, free)
    assert free.std() > 8 / 255
    torch.testing.assert_close(limited, free * (3 / 255 / free.std()))


def test_some_noise_is_only_in_places(sources):
    recipe = replace(RECIPE, shares=only(sensor=1), batch=60, faint=0)
    drawn = SimulationSampler(sources, recipe).draw(0, 0)
    assert 2 < sum(plan.mask is not None for plan in drawn.plans) < 20
    mask = NoiseMask("side", angle=0.0, offset=0.0, steepness=1e4, width=10.0, left=0.0)
    halved = replace(drawn, plans=tuple(replace(plan, mask=mask, compressions=()) for plan in drawn.plans))
    made = make_samples(halved, seed=0, step=0, device=torch.device("cpu"))
    difference = (made.noisy - made.clean).abs()
    # Rounding is left, twice in toned samples.
    assert difference[..., :23, :].max() < 1.01 / 255
    assert difference[..., 25:, :].amax((1, 2, 3)).min() > 1.5 / 255


def test_places_of_flat_patches_are_found_in_the_cache(sources, cache, monkeypatch):
    def search(_grey):
        raise AssertionError("searched again")

    monkeypatch.setattr(sources_module, "find_flat_patches", search)
    again = find_flats(sources.cameras.pool.photos, sources.cameras.profiles, cache)
    assert [[(one.top, one.left) for one in patches] for patches in again] == [
        [(one.top, one.left) for one in patches] for patches in sources.flats
    ]


def test_the_checksum_knows_every_source(sources):
    others = [
        replace(sources, clean=sources.clean[:1]),
        replace(sources, pairs=()),
        replace(sources, cameras=None),
        replace(sources, flats=sources.flats[:1]),
    ]
    assert len({one.checksum for one in (sources, *others)}) == 5
    assert sources.describe() == "2 noisy photos, 0.2 MP, 2 clean pictures, 1 pair"


def test_pairs_are_read_and_must_match_in_size(tmp_path):
    for name, height in (("noisy", 150), ("clean", 150), ("other", 140)):
        Image.fromarray(noisy_pixels(height, 160)).save(tmp_path / f"{name}.png")
    cache = PhotoCache(tmp_path / "run", root=tmp_path / "cache")
    noisy, clean, other = (tmp_path / f"{name}.png" for name in ("noisy", "clean", "other"))
    [pair] = load_picture_pairs([(noisy, clean)], cache)
    assert (pair.noisy.read(0, 0, 150, 160) == noisy_pixels(150, 160)).all()
    assert pair.noisy.file != pair.clean.file
    with pytest.raises(TrainingError, match="differ in size"):
        load_picture_pairs([(noisy, other)], cache)


def test_a_share_of_the_noise_is_faint(sources):
    recipe = replace(RECIPE, shares=only(gaussian=1), batch=200, faint=0.4)
    gains = [plan.gain for plan in SimulationSampler(sources, recipe).draw(0, 0).plans]
    assert sum(gain < 1 for gain in gains) / 200 == pytest.approx(0.4, abs=0.1)
    assert min(gains) >= 0.08


def test_faint_noise_is_the_same_noise_and_weaker():
    plan = SamplePlan(0, SensorNoise(0.01, 1e-4, (2.0, 1.6)))
    full, faint = (
        added_noise(
            torch.full((1, 3, 48, 48), 0.5), [replace(plan, gain=gain)], [torch.Generator().manual_seed(1)]
        )
        for gain in (1.0, 0.25)
    )
    torch.testing.assert_close(faint, 0.25 * full)


def test_an_estimator_sees_no_texture_of_random_fields(sources):
    for textured in (True, False):
        recipe = replace(RECIPE, shares=only(gaussian=1), batch=100, textured=textured)
        plans = SimulationSampler(sources, recipe).draw(0, 0).plans
        assert any(plan.augmentation.texture for plan in plans) == textured
    assert not EstimatorRecipe().textured
