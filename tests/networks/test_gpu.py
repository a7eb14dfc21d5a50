"""Results of a CUDA GPU for photos and training samples, compared with those of the processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsp_cli import load_weights
from nsp_cli.networks import NetworkConfig
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.restoration.recovery import remove_leftover
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool
from nsp_cli.training.distillation.sample_making import make_samples
from nsp_cli.training.distillation.sampler import SimulationSampler
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.distillation.task import StudentTask
from nsp_cli.training.distillation.teacher_data import prepare_teacher_dataset
from nsp_cli.training.run.recipe import BlindSpotRecipe, SampleShares, StudentRecipe
from nsp_cli.training.run.task import Task
from nsp_cli.training.run.trainer import Trainer
from tests.scenes import correlated_noise, scene, to_8_bits
from tests.training_photos import noisy_pixels, stored

pytestmark = pytest.mark.cuda


@pytest.fixture(scope="module")
def noisy() -> torch.Tensor:
    picture = scene(300, 340)
    return to_8_bits(picture + correlated_noise(picture.shape, 12, 0.7))


@pytest.mark.parametrize("model", ["nsp-fast", "nsp-light"])
@pytest.mark.parametrize(("precision", "decibels"), [("float32", 65), ("auto", 48)])
def test_a_photo_is_the_processors(noisy, model, precision, decibels):
    on_gpu, on_cpu = (
        pipeline.denoise_tensor(load_weights(model, device=device, precision=chosen), noisy)[0].float()
        for device, chosen in (("cuda", precision), ("cpu", "float32"))
    )
    error = (on_gpu - on_cpu).square().mean().clamp(min=1e-6)
    assert float(10 * torch.log10(255**2 / error)) > decibels


def test_recovery_is_the_processors(noisy):
    noise = map_noise(noisy)
    on_gpu, on_cpu = (
        remove_leftover(scene(300, 340), noise, device=device) for device in (torch.device("cuda"), None)
    )
    torch.testing.assert_close(on_gpu, on_cpu, atol=1e-4, rtol=0)


def test_a_noise_map_is_the_processors(noisy):
    on_gpu, on_cpu = (map_noise(noisy, Execution.choose(name, "float32")).bands for name in ("cuda", "cpu"))
    torch.testing.assert_close(on_gpu, on_cpu, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("scale", [1, 2])
def test_samples_are_as_noisy_as_the_processors(tmp_path: Path, scale):
    photos = tuple(stored(tmp_path, noisy_pixels(300, 310, seed=n), noise=1.0, name=str(n)) for n in range(3))
    cache = PhotoCache(tmp_path / "run", root=tmp_path / "cache")
    dataset = prepare_teacher_dataset(PhotoPool(photos, (), 3), cache, lambda photo: photo, "echo")
    recipe = replace(StudentRecipe(), crop=64, batch=32, shares=replace(SampleShares(), taught=0.0))
    drawn = SimulationSampler(SampleSources(cameras=dataset), recipe, scale).draw(0, 0)
    on_gpu, on_cpu = (
        make_samples(drawn, scale=scale, seed=0, step=0, device=torch.device(device))
        for device in ("cuda", "cpu")
    )
    # The cameras are the same, but a GPU draws other random numbers for noise and textures.
    plain = [index for index, plan in enumerate(drawn.plans) if plan.augmentation.texture is None]
    torch.testing.assert_close(on_gpu.clean.cpu()[plain], on_cpu.clean[plain])
    assert (on_gpu.noise.mean((2, 3)).cpu() - on_cpu.noise.mean((2, 3))).abs().median() < 0.5 / 255


@pytest.mark.parametrize("is_student", [False, True])
def test_drawn_data_is_in_pinned_memory(tmp_path: Path, is_student):
    photos = tuple(stored(tmp_path, noisy_pixels(300, 310, seed=n), noise=1.0, name=str(n)) for n in range(3))
    pool = PhotoPool(photos, (), 3)
    task: Task
    if is_student:
        cache = PhotoCache(tmp_path / "run", root=tmp_path / "cache")
        dataset = prepare_teacher_dataset(pool, cache, lambda photo: photo, "echo")
        config: NetworkConfig = UnetConfig()
        task = StudentTask(
            SampleSources(cameras=dataset), replace(StudentRecipe(), crop=64, batch=16), 1, "echo"
        )
    else:
        config = DbsnConfig()
        task = BlindSpotTask(pool, replace(BlindSpotRecipe(), crop=240, batch=4), config.spec())
    name = "unet" if is_student else "dbsn"
    trainer = Trainer(task, network_name=name, config=config, seed=0, device=torch.device("cuda"))
    drawn = trainer.draw(0)
    assert (drawn.clean if is_student else drawn.pixels).is_pinned()
    trainer.train_step(drawn, 0.5)
    trainer.check()
