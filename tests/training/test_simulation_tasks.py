"""What a student is told about the noise, and what a noise estimator learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nsp_cli.networks.noise_map import NoiseMapConfig
from nsp_cli.networks.unet import UnetConfig, as_planes, from_planes
from nsp_cli.training.distillation import sample_plan
from nsp_cli.training.distillation.sample_making import make_samples
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.distillation.task import EstimatorTask, StudentTask
from nsp_cli.training.run.recipe import EstimatorRecipe, StudentRecipe
from nsp_cli.training.run.task import TrainingBatch
from nsp_cli.training.run.trainer import Trainer
from tests.training_photos import noisy_pixels, only, stored

CPU = torch.device("cpu")
SHARES = only(camera=0.5, sensor=0.5)
STUDENT = StudentRecipe(crop=48, batch=30, shares=SHARES)


class Says(nn.Module):
    """An estimator that answers the same level everywhere."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def forward(self, x: Tensor) -> Tensor:
        return as_planes(self.level).expand(len(x), 6, x.shape[-2] // 8, x.shape[-1] // 8)


@pytest.fixture
def sources(tmp_path: Path) -> SampleSources:
    return SampleSources(clean=(stored(tmp_path, noisy_pixels(160, 150, sigma=0.5), noise=0.5),))


@pytest.fixture
def exact(monkeypatch) -> None:
    for name in ("_COMMON_ERROR", "_BAND_ERROR", "_COARSE_ERROR"):
        monkeypatch.setattr(sample_plan, name, 0.0)


def told(task: StudentTask) -> tuple[Tensor, Tensor]:
    """The conditioning of a batch, and the truth."""
    drawn = task.draw(0, 0)
    batch = task.make_batch(drawn, seed=0, step=0, device=CPU)
    return batch.inputs[1], make_samples(drawn, seed=0, step=0, device=CPU).noise


def test_without_an_estimator_a_student_is_told_the_truth(sources, exact):
    given, truth = told(StudentTask(sources, STUDENT, 1, "no one"))
    torch.testing.assert_close(given, truth)


def test_what_it_is_told_is_wrong_by_a_third_everywhere_alike(sources):
    given, truth = told(StudentTask(sources, STUDENT, 1, "no one"))
    is_noisy = truth.amin((2, 3)) > 1e-6
    error = (given / truth).log()
    assert 0.2 < float(error[:, 1:, 0, 0][is_noisy[:, 1:]].std()) < 0.5
    assert error[:, 0, 0, 0][is_noisy[:, 0]].mean() > error[:, 1:, 0, 0][is_noisy[:, 1:]].mean() + 0.2
    assert float(error.std((2, 3))[is_noisy].max()) < 1e-4


def test_half_of_the_samples_are_told_the_estimate(sources, exact):
    given, truth = told(StudentTask(sources, STUDENT, 1, "no one", estimator=Says(0.125)))
    is_estimate = (given - 0.125).abs().amax((1, 2, 3)) < 1e-5
    assert 0.25 < float(is_estimate.float().mean()) < 0.75
    torch.testing.assert_close(given[~is_estimate], truth[~is_estimate])


def test_another_estimator_is_another_run(sources):
    tasks = [
        StudentTask(sources, STUDENT, 1, "no one", estimator=one) for one in (None, Says(0.1), Says(0.2))
    ]
    assert len({task.checksum for task in tasks}) == 3


def test_an_estimator_is_asked_for_the_map_of_what_it_sees(sources):
    task = EstimatorTask(sources, EstimatorRecipe(crop=48, batch=4, shares=SHARES))
    drawn = task.draw(0, 0)
    batch, made = (
        task.make_batch(drawn, seed=0, step=0, device=CPU),
        make_samples(drawn, seed=0, step=0, device=CPU),
    )
    assert len(batch.inputs) == 1
    torch.testing.assert_close(batch.inputs[0], made.noisy)
    torch.testing.assert_close(from_planes(batch.targets), made.noise)


def test_too_little_costs_an_estimator_more_than_too_much():
    target = torch.full((2, 6, 3, 3), 0.5)
    losses = [
        float(TrainingBatch((target,), target, lean=lean).loss(target + error))
        for lean in (0.2, 0.0)
        for error in (-0.1, 0.1)
    ]
    assert losses == pytest.approx([0.12, 0.08, 0.1, 0.1])


def students_loss(levels: float, before: float) -> float:
    """Loss of a sample that is wrong by so many levels, and was by so many before."""
    target = torch.full((1, 3, 8, 8), 0.5)
    batch = TrainingBatch((target,), target, torch.tensor([(before / 255) ** 2]))
    return float(batch.loss(target + levels / 255))


def test_a_tenth_less_error_counts_the_same_in_mild_and_strong_noise_for_a_student():
    strong, mild = (students_loss(most, 100) - students_loss(0.9 * most, 100) for most in (50.0, 5.0))
    assert strong == pytest.approx(mild, rel=0.05)
    assert students_loss(0, 1) == 0


def test_what_is_worse_than_before_costs_a_student_twice():
    better, same, worse = (students_loss(levels, 20) for levels in (10, 20, 40))
    assert worse - same == pytest.approx(2 * (same - better), rel=0.02)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_student_knows_the_error_before(sources, scale):
    batch = StudentTask(sources, STUDENT, scale, "no one").make_batch(
        StudentTask(sources, STUDENT, scale, "no one").draw(0, 0), seed=0, step=0, device=CPU
    )
    size = batch.targets.shape[-2:]
    given = torch.nn.functional.interpolate(batch.inputs[0], size, mode="bicubic")
    expected = (given - batch.targets).square().mean((1, 2, 3))
    torch.testing.assert_close(batch.before, expected, rtol=0.05, atol=1e-5)


@pytest.mark.parametrize("is_student", [False, True])
def test_the_trainer_trains_both(sources, is_student):
    if is_student:
        config: object = UnetConfig(widths=(4, 4, 8), encoder=(1, 1, 1), decoder=(1, 1))
        task: object = StudentTask(sources, StudentRecipe(crop=48, batch=2), 1, "no one", estimator=Says(0.1))
    else:
        config, task = (
            NoiseMapConfig(width=8, blocks=1, mixed=8),
            EstimatorTask(sources, EstimatorRecipe(crop=48, batch=2)),
        )
    name = "unet" if is_student else "noise-map"
    trainer = Trainer(task, network_name=name, config=config, seed=0, device=CPU)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    for step in range(2):
        trainer.train_step(trainer.draw(step), 0.5)
    assert 0 < trainer.curve.recent < 12
    assert any(not torch.equal(value, before[name]) for name, value in trainer.network.state_dict().items())


def test_an_estimator_learns(sources):
    recipe = EstimatorRecipe(crop=48, batch=8, learning_rate=4e-3, shares=only(sensor=0.5, still=0.5))
    task, config = EstimatorTask(sources, recipe), NoiseMapConfig(width=8, blocks=1, mixed=16)
    trainer = Trainer(task, network_name="noise-map", config=config, seed=0, device=CPU)
    batch = task.make_batch(task.draw(1, 0), seed=1, step=0, device=CPU)

    def loss() -> float:
        with torch.no_grad():
            return float(batch.loss(trainer.network(*batch.inputs)))

    before = loss()
    for step in range(60):
        trainer.train_step(trainer.draw(step), 0.5)
    assert loss() < 0.6 * before
