"""The RAW network's task: samples depend on the seed alone, and the loss is that of developed pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsp_cli.networks.bayer import BayerConfig
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.raw.task import RawBatch, RawTask
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import RawRecipe
from nsp_cli.training.run.trainer import Trainer
from tests.training_photos import noisy_pixels, stored

CPU = torch.device("cpu")
RECIPE = RawRecipe(crop=48, batch=4)
TINY = BayerConfig(widths=(4, 4, 8), encoder=(1, 1, 1), decoder=(1, 1))


@pytest.fixture
def photos(tmp_path: Path) -> list[TrainingPhoto]:
    return [stored(tmp_path, noisy_pixels(160, 150, sigma=5, seed=one), name=str(one)) for one in range(2)]


def batch_of(task: RawTask, step: int = 0) -> RawBatch:
    return task.make_batch(task.draw(0, step), seed=0, step=step, device=CPU)


def test_the_same_step_gives_the_same_batch(photos):
    first, again, other = (batch_of(RawTask(photos, RECIPE), step) for step in (3, 3, 4))
    assert torch.equal(first.inputs[0], again.inputs[0])
    assert not torch.equal(first.inputs[0], other.inputs[0])


def test_two_processes_draw_as_one(photos):
    whole = batch_of(RawTask(photos, RawRecipe(crop=48, batch=8)))
    parts = [batch_of(RawTask(photos, RECIPE, ProcessGroup(rank, 2))) for rank in range(2)]
    for index in range(2):
        torch.testing.assert_close(torch.cat([part.inputs[index] for part in parts]), whole.inputs[index])


def test_other_photos_are_another_run(photos):
    assert RawTask(photos, RECIPE).checksum != RawTask(photos[:1], RECIPE).checksum


def test_a_split_batch_has_the_same_loss(photos):
    batch = batch_of(RawTask(photos, RECIPE))
    predicted = torch.rand(4, 3, 48, 48)
    parts = batch.split(2)
    losses = [part.loss(one) for part, one in zip(parts, predicted.split(2), strict=True)]
    torch.testing.assert_close(torch.stack(losses).mean(), batch.loss(predicted))


def test_bilinear_demosaicing_is_what_comes_before(photos):
    """A fresh network does just that, so nothing is worse than before yet."""
    batch = batch_of(RawTask(photos, RECIPE))
    with torch.inference_mode():
        predicted = TINY.build()(*batch.inputs)
    assert batch.before is not None
    errors = batch.before / (0.8 / 255) ** 2
    torch.testing.assert_close(batch.loss(predicted), (errors.log1p() / 2).mean(), rtol=1e-3, atol=0)


def test_what_is_told_of_the_noise_is_nearly_right(photos):
    recipe = RawRecipe(crop=48, batch=40)
    task = RawTask(photos, recipe)
    drawn = task.draw(0, 0)
    assert drawn.errors[:, 0].std() == pytest.approx(recipe.noise_errors[0], rel=0.4)
    assert drawn.errors[:, 1].std() == pytest.approx(recipe.noise_errors[1], rel=0.4)


def test_a_network_learns_it(photos):
    recipe = RawRecipe(crop=48, batch=4, learning_rate=1e-2, photos=1.0, heaps=0.0, drawings=0.0)
    trainer = Trainer(RawTask(photos, recipe), network_name="bayer", config=TINY, seed=0, device=CPU)
    drawn = trainer.draw(0)
    for _ in range(60):
        trainer.train_step(drawn, 0.1)
    batch = trainer.task.make_batch(drawn, seed=0, step=1000, device=CPU)
    with torch.inference_mode():
        after, before = (float(batch.loss(one(*batch.inputs))) for one in (trainer.network, TINY.build()))
    assert after < before - 0.1
