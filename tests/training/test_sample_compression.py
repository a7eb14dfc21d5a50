"""Compression of training samples and of their targets, and samples that do not depend on their batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsp_cli.noise.conditioning import map_of_residual
from nsp_cli.training.distillation.sample_making import Samples, make_samples
from nsp_cli.training.distillation.sample_plan import DrawnSamples, SamplePlan
from nsp_cli.training.distillation.sampler import SimulationSampler
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.run.recipe import SampleShares, SimulationRecipe
from nsp_cli.training.simulation.augmentation import Augmentation
from nsp_cli.training.simulation.jpeg_compression import Compression, compress, standard_tables
from tests.scenes import scene
from tests.training_photos import noisy_pixels, only, stored

RECIPE = SimulationRecipe(crop=32, batch=200)
FIRST, LAST = Compression(standard_tables(40)), Compression(standard_tables(60), (3, 5))


@pytest.fixture
def sources(tmp_path: Path) -> SampleSources:
    return SampleSources(clean=(stored(tmp_path, noisy_pixels(160, 150, sigma=0.5), noise=0.5),))


def plans_of(sources: SampleSources, **shares: float) -> tuple[SamplePlan, ...]:
    return SimulationSampler(sources, replace(RECIPE, shares=only(**shares))).draw(0, 0).plans


def made_with(plan: SamplePlan, scale: int = 1) -> tuple[torch.Tensor, Samples]:
    """A picture, and the sample of it."""
    side = 48 * scale
    picture = scene(side, side)[None]
    drawn = DrawnSamples(picture, (plan,))
    return picture, make_samples(drawn, scale=scale, seed=0, step=0, device=torch.device("cpu"))


def test_two_thirds_are_compressed_and_a_quarter_of_them_twice(sources):
    times = [len(plan.compressions) for plan in plans_of(sources, camera=0.5, grain=0.5)]
    assert 0.55 < sum(map(bool, times)) / 200 < 0.75
    assert 0.15 < times.count(2) / sum(map(bool, times)) < 0.35


def test_dark_samples_are_not_compressed_and_drawings_are_not_kept_so(sources):
    assert not any(plan.compressions for plan in plans_of(sources, dark=1))
    drawn = plans_of(sources, drawn=0.5, stars=0.5)
    assert any(plan.compressions for plan in drawn)
    assert not any(plan.keeps_compression for plan in drawn)


def test_a_few_of_the_compressed_keep_it(sources):
    plans = plans_of(sources, camera=1)
    kept = [plan for plan in plans if plan.keeps_compression]
    assert all(plan.compressions for plan in kept)
    assert 0.02 < len(kept) / sum(bool(plan.compressions) for plan in plans) < 0.18


def test_three_fifths_of_the_noise_is_reduced_but_never_in_the_dark(sources):
    reduced = [plan.reduction is not None for plan in plans_of(sources, camera=0.5, sensor=0.5)]
    assert 0.5 < sum(reduced) / 200 < 0.7
    assert all(plan.reduction is None for plan in plans_of(sources, dark=1))


def test_the_input_is_compressed_in_turn_and_the_target_only_with_the_last_settings():
    plan = SamplePlan(0, compressions=(FIRST, LAST), is_rounded=True)
    picture, plain = made_with(plan)
    _, kept = made_with(replace(plan, keeps_compression=True))
    noisy = compress(compress(picture, [FIRST]), [LAST])
    for made, target in ((plain, picture), (kept, compress(picture, [LAST]))):
        torch.testing.assert_close(made.noisy, noisy)
        torch.testing.assert_close(made.clean, target)
        torch.testing.assert_close(made.noise, map_of_residual(noisy - target))


def test_an_enlarging_students_target_is_not_compressed():
    picture, made = made_with(SamplePlan(0, compressions=(FIRST,), keeps_compression=True), scale=2)
    torch.testing.assert_close(made.clean, picture)


def test_a_toned_target_keeps_its_tone():
    sepia = Augmentation(tone=(1.0, 0.9, 0.7))
    _, made = made_with(SamplePlan(0, augmentation=sepia, compressions=(FIRST,), keeps_compression=True))
    red, green, blue = made.clean[0]
    assert (green - 0.9 * red).abs().max() < 1 / 255
    assert (blue - 0.7 * red).abs().max() < 1 / 255


def test_a_sample_is_the_same_whatever_batch_it_is_in(sources):
    shares = replace(SampleShares(), dark=0.1, drawn=0.1, stars=0.1)

    def samples(batch: int, rank: int) -> Samples:
        recipe = replace(RECIPE, crop=48, batch=batch, shares=shares)
        drawn = SimulationSampler(sources, recipe, rank=rank).draw(3, 7)
        return make_samples(drawn, seed=3, step=7, device=torch.device("cpu"))

    whole, parts = samples(24, 0), [samples(batch=2, rank=rank) for rank in range(12)]
    for name in ("noisy", "clean", "noise"):
        together, apart = getattr(whole, name), torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(apart, together, rtol=0, atol=1e-5)
