"""Training: the loss falls, and a resumed run continues like an unbroken one."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import time
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed

from nsp_cli import device
from nsp_cli.device import choose_precision
from nsp_cli.errors import DeviceError, OutputError, TrainingError
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.pool import PhotoPool
from nsp_cli.training.run import gradients, loop, memory, trainer
from nsp_cli.training.run.checkpoint import load_checkpoint
from nsp_cli.training.run.compilation import compiled
from nsp_cli.training.run.loop import run
from nsp_cli.training.run.loss_curve import LossCurve
from nsp_cli.training.run.memory import choose_chunk, fit_crop, saved_bytes
from nsp_cli.training.run.recipe import PAPER_RECIPE, PAPER_STEPS, BlindSpotRecipe, Budget
from nsp_cli.training.run.task import TrainingBatch
from nsp_cli.training.run.trainer import Trainer
from tests.training_photos import small_pool

RECIPE = BlindSpotRecipe(crop=120, batch=2)
CPU = torch.device("cpu")


@pytest.fixture
def pool(tmp_path: Path) -> PhotoPool:
    return small_pool(tmp_path)


def make_trainer(pool: PhotoPool, config: DbsnConfig, **changes: object) -> Trainer:
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    task = BlindSpotTask(pool, recipe, config.spec())
    return Trainer(task, network_name="dbsn", config=config, seed=3, device=CPU)


def start_at(initial: dict[str, torch.Tensor] | None, pool: PhotoPool, config: DbsnConfig) -> Trainer:
    task = BlindSpotTask(pool, RECIPE, config.spec())
    return Trainer(task, network_name="dbsn", config=config, seed=3, device=CPU, initial=initial)


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trainer.averaged_network().state_dict().values()])


def at_step(step: int, do):
    return lambda now: do() if now.step == step else None


def interrupt_at(step: int):
    return at_step(step, lambda: signal.raise_signal(signal.SIGINT))


def test_paper_recipe_has_the_settings_of_the_paper():
    expected = {"pd_factor": 5, "targets": 1, "strategy": "consecutive", "pairs": None, "crop": 160}
    expected |= {"batch": 16, "learning_rate": 1e-4, "schedule": "fixed", "weight_decay": 0.0}
    expected |= {"ema_decay": 0.0, "clip": None, "simulated": 0.0, "noise_emphasis": 0.0}
    assert {name: getattr(PAPER_RECIPE, name) for name in expected} == expected
    assert PAPER_STEPS == 300_000
    assert {PAPER_RECIPE.rate_factor(share) for share in (0.0, 0.01, 0.5, 1.0)} == {1.0}


def test_loss_falls(pool, tiny_config):
    trainer = make_trainer(pool, tiny_config, learning_rate=2e-2)
    run(trainer, Budget(steps=80))
    losses = [loss for _, loss in trainer.curve.points()]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_without_a_running_mean_the_last_weights_are_published(pool, tiny_config):
    trainer = make_trainer(pool, tiny_config, ema_decay=0.0)
    run(trainer, Budget(steps=3))
    last = torch.cat([value.flatten() for value in trainer.network.state_dict().values()])
    assert torch.equal(weights(trainer), last)


class TestResume:
    def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(self, pool, tiny_config, tmp_path):
        unbroken = make_trainer(pool, tiny_config)
        run(unbroken, Budget(steps=6))
        broken = make_trainer(pool, tiny_config)
        with pytest.raises(KeyboardInterrupt):
            run(broken, Budget(steps=6), checkpoint=tmp_path / "c", on_progress=interrupt_at(3))
        assert broken.step == 3
        resumed = make_trainer(pool, tiny_config)
        resumed.resume(tmp_path / "c")
        run(resumed, Budget(steps=6))
        assert torch.equal(weights(resumed), weights(unbroken))
        assert resumed.curve.points() == unbroken.curve.points()

    @pytest.mark.slow
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork server")
    def test_a_run_killed_at_any_moment_reaches_the_same_weights(self, pool, tiny_config, tmp_path):
        unbroken = make_trainer(pool, tiny_config)
        run(unbroken, Budget(steps=KILLED_STEPS))
        checkpoint, chance = tmp_path / "killed.checkpoint", random.Random(0)
        codes = []
        while not codes or load_checkpoint(checkpoint, {})["step"] < KILLED_STEPS:
            codes.append(run_and_kill(tmp_path, checkpoint, chance))
        assert codes.count(-signal.SIGKILL) >= 3
        finished = make_trainer(pool, tiny_config)
        finished.resume(checkpoint)
        assert finished.step == KILLED_STEPS
        assert torch.equal(weights(finished), weights(unbroken))

    def test_a_full_disk_keeps_the_previous_checkpoint(self, pool, tiny_config, tmp_path, monkeypatch):
        trainer, folder = make_trainer(pool, tiny_config), tmp_path / "run"
        folder.mkdir()
        trainer.save(folder / "c")
        before = (folder / "c").read_bytes()

        def fill(_file: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fill)
        with pytest.raises(OutputError, match="cannot be written") as error:
            trainer.save(folder / "c")
        assert "--resume" in error.value.hint
        assert list(folder.iterdir()) == [folder / "c"]
        assert (folder / "c").read_bytes() == before

    def test_a_checkpoint_of_another_run_is_refused(self, pool, tiny_config, tmp_path):
        make_trainer(pool, tiny_config).save(tmp_path / "c")
        with pytest.raises(TrainingError, match="other settings: recipe"):
            make_trainer(pool, tiny_config, simulated=0.1).resume(tmp_path / "c")
        others = PhotoPool(pool.photos[:1], (), 1)
        with pytest.raises(TrainingError, match="other settings: photos"):
            make_trainer(others, tiny_config).resume(tmp_path / "c")

    def test_a_checkpoint_from_another_start_is_refused(self, pool, tiny_config, tmp_path):
        one, other = tiny_config.build().state_dict(), tiny_config.build().state_dict()
        start_at(one, pool, tiny_config).save(tmp_path / "c")
        start_at(one, pool, tiny_config).resume(tmp_path / "c")
        for others in (other, None):
            with pytest.raises(TrainingError, match="other settings: weights to start from"):
                start_at(others, pool, tiny_config).resume(tmp_path / "c")

    def test_checkpoints_without_later_entries_can_be_resumed(self, pool, tiny_config, tmp_path):
        make_trainer(pool, tiny_config).save(tmp_path / "c")
        content = torch.load(tmp_path / "c")
        del content["identity"]["weights to start from"], content["state"]["waited"]
        torch.save(content, tmp_path / "c")
        start_at(tiny_config.build().state_dict(), pool, tiny_config).resume(tmp_path / "c")

    def test_the_rate_may_be_lowered_to_get_past_a_divergence(self, pool, tiny_config, tmp_path):
        make_trainer(pool, tiny_config).save(tmp_path / "c")
        make_trainer(pool, tiny_config, learning_rate=1e-5, clip=0.1).resume(tmp_path / "c")

    def test_missing_and_damaged_checkpoints_are_refused(self, pool, tiny_config, tmp_path):
        trainer = make_trainer(pool, tiny_config)
        with pytest.raises(TrainingError, match="no checkpoint"):
            trainer.resume(tmp_path / "absent")
        trainer.save(tmp_path / "c")
        (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:500])
        with pytest.raises(TrainingError, match="cannot be read as a checkpoint"):
            trainer.resume(tmp_path / "c")


KILLED_STEPS = 20


def run_and_kill(folder: Path, checkpoint: Path, chance: random.Random) -> int | None:
    """Trains in a process, on the photos that the `pool` fixture left, and kills it; returns its exit code.

    It makes at most five steps, so that the test kills several times on a fast machine, and is killed after
    a step was saved, so that the test ends on a slow one.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.test_training"])
    allowed, saved = context.Semaphore(chance.randint(2, 5)), context.Event()
    process = context.Process(target=train_and_save_every_step, args=(folder, checkpoint, allowed, saved))
    process.start()
    try:
        assert saved.wait(300)
        process.join(chance.uniform(0, 0.1))
    finally:
        process.kill()
        process.join()
    return process.exitcode


def train_and_save_every_step(folder: Path, checkpoint: Path, allowed: Semaphore, saved: Event) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(small_pool(folder), DbsnConfig(base_channels=4, num_modules=1))
    if checkpoint.exists():
        trainer.resume(checkpoint)
    run(
        trainer,
        Budget(steps=KILLED_STEPS),
        checkpoint=checkpoint,
        checkpoint_every=0,
        on_progress=lambda _now: allowed.acquire(),
        on_save=saved.set,
    )


def test_on_save_is_called_at_every_checkpoint(pool, tiny_config, tmp_path):
    saved = []
    run(
        make_trainer(pool, tiny_config),
        Budget(steps=3),
        checkpoint=tmp_path / "c",
        checkpoint_every=0,
        on_save=lambda: saved.append(load_checkpoint(tmp_path / "c", {})["step"]),
    )
    assert saved == [1, 2, 3, 3]


class TestStopping:
    def test_ctrl_c_finishes_the_step_and_saves(self, pool, tiny_config, tmp_path):
        trainer = make_trainer(pool, tiny_config)
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            run(trainer, Budget(steps=50), checkpoint=tmp_path / "c", on_progress=interrupt_at(2))
        assert trainer.step == 2
        assert (tmp_path / "c").exists()
        assert signal.getsignal(signal.SIGINT) is before

    def test_a_second_ctrl_c_stops_at_once(self, pool, tiny_config, tmp_path):
        def press_twice() -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            run(
                make_trainer(pool, tiny_config),
                Budget(steps=50),
                checkpoint=tmp_path / "c",
                on_progress=at_step(2, press_twice),
            )
        assert not (tmp_path / "c").exists()

    def test_a_run_can_be_limited_in_minutes(self, pool, tiny_config, monkeypatch):
        seconds = iter(range(1000))
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        trainer = make_trainer(pool, tiny_config)
        run(trainer, Budget(minutes=0.1, steps=10**6))
        assert (trainer.seconds, trainer.step) == (6, 6)

    @pytest.mark.parametrize(("kept_every", "kept"), [(1, 3), (2, 2)])
    def test_a_loss_that_is_not_finite_restores_the_last_good_state(
        self, pool, tiny_config, tmp_path, monkeypatch, kept_every, kept
    ):
        monkeypatch.setattr(trainer, "_KEEP_EVERY", kept_every)
        good = make_trainer(pool, tiny_config)
        with pytest.raises(KeyboardInterrupt):
            run(good, Budget(steps=9), on_progress=interrupt_at(kept))
        failing = make_trainer(pool, tiny_config)

        def spoil() -> None:
            with torch.no_grad():
                failing.network.tail[-1].bias.fill_(torch.nan)

        with pytest.raises(
            TrainingError, match=f"no longer finite at step 4; the run is back at step {kept}"
        ) as error:
            run(failing, Budget(steps=9), checkpoint=tmp_path / "c", on_progress=at_step(3, spoil))
        assert "--learning-rate" in error.value.hint
        assert torch.equal(weights(failing), weights(good))
        resumed = make_trainer(pool, tiny_config)
        resumed.resume(tmp_path / "c")
        assert resumed.step == kept


def test_the_same_data_is_drawn_for_a_gpu_and_for_the_processor(pool, tiny_config):
    trainer = make_trainer(pool, tiny_config)
    here = trainer.draw(3)
    trainer.device = torch.device("cuda")
    pinned = trainer.draw(3)
    assert torch.equal(pinned.pixels, here.pixels)
    assert pinned.pixels.data_ptr() != here.pixels.data_ptr()
    assert (pinned.noises, pinned.numbers) == (here.noises, here.numbers)


def test_waiting_time_is_counted_and_kept_in_checkpoints(pool, tiny_config, tmp_path):
    slow = make_trainer(pool, tiny_config)
    draw = slow.task.draw

    def draw_late(seed: int, step: int):
        time.sleep(0.3)
        return draw(seed, step)

    slow.task.draw = draw_late
    run(slow, Budget(steps=4), checkpoint=tmp_path / "c")
    assert 0.2 < slow.waited < slow.seconds
    resumed = make_trainer(pool, tiny_config)
    resumed.resume(tmp_path / "c")
    assert resumed.waited_share == slow.waited_share > 0


def test_no_gradient_is_lost_to_float16(pool, tiny_config, monkeypatch):
    chosen = []

    def note(_device: str, *_precision: torch.dtype, enabled: bool):
        chosen.append(enabled)
        return nullcontext()

    monkeypatch.setattr(device, "choose_precision", lambda _name, _device: torch.float16)
    monkeypatch.setattr(torch, "autocast", note)
    fit_crop(BlindSpotRecipe(crop=240), tiny_config, CPU)
    run(make_trainer(pool, tiny_config), Budget(steps=1))
    assert chosen
    assert not any(chosen)


class TestMemory:
    def test_a_batch_in_parts_gives_the_gradient_of_the_whole(self, pool, tiny_config, monkeypatch):
        whole = make_trainer(pool, tiny_config)
        run(whole, Budget(steps=3))
        monkeypatch.setattr(gradients, "choose_chunk", lambda *_arguments: 1)
        parts = make_trainer(pool, tiny_config)
        run(parts, Budget(steps=3))
        torch.testing.assert_close(weights(parts), weights(whole), atol=1e-5, rtol=1e-3)

    def test_out_of_memory_halves_the_parts_and_ends_with_a_clear_error(self, pool, tiny_config):
        tried = []

        def fail(inputs: torch.Tensor) -> torch.Tensor:
            tried.append(len(inputs))
            raise torch.OutOfMemoryError("injected")

        failing = make_trainer(pool, tiny_config, batch=4)
        failing._gradients._forward = fail
        with pytest.raises(DeviceError, match="out of memory with 1 crop of"):
            run(failing, Budget(steps=1))
        assert tried == [4, 2, 1]

    def test_out_of_memory_while_pairs_are_made_is_a_clear_error(self, pool, tiny_config, monkeypatch):
        def fail(*_arguments: object, **_settings: object) -> None:
            raise torch.OutOfMemoryError("injected")

        failing = make_trainer(pool, tiny_config, batch=4)
        monkeypatch.setattr(failing.task, "make_batch", fail)
        with pytest.raises(DeviceError, match="out of memory with 4 crops"):
            run(failing, Budget(steps=1))

    def test_parts_are_nearly_equal_and_within_the_given_size(self):
        batch = TrainingBatch((torch.zeros(64, 3, 2, 2),), torch.zeros(64, 3, 4, 4))
        for most, sizes in ((64, [64]), (27, [22, 22, 20]), (16, [16] * 4)):
            assert [len(part) for part in batch.split(most)] == sizes

    def test_a_part_fits_the_memory(self, tiny_config, monkeypatch):
        network, inputs = tiny_config.build(), torch.rand(8, 3, 48, 48)
        one = saved_bytes(network, (inputs[:1],), CPU, torch.float32)
        for free, expected in ((one * 7, 3), (one, 1), (one * 1000, 8)):
            monkeypatch.setattr(memory, "free_memory", lambda _device, free=free: free)
            assert choose_chunk(network, (inputs,), CPU, torch.float32) == expected

    def test_the_crop_is_halved_until_a_single_pair_fits(self, tiny_config, monkeypatch):
        recipe = BlindSpotRecipe(crop=480)
        one = saved_bytes(
            tiny_config.build(), (torch.rand(1, 3, 96, 96),), CPU, choose_precision("auto", CPU)
        )
        for free, expected in ((one * 3, 480), (one, 240), (one / 3, 120), (1, 120)):
            monkeypatch.setattr(memory, "free_memory", lambda _device, free=free: free)
            assert fit_crop(recipe, tiny_config, CPU).crop == expected

    def test_saved_bytes_counts_activations_and_not_weights(self):
        network = nn.Sequential(nn.Conv2d(3, 16, 1), nn.GELU(), nn.Conv2d(16, 16, 1))
        # Both convolutions and GELU keep their inputs.
        expected = 4 * 32 * 32 * (3 + 16 + 16)
        assert saved_bytes(network, (torch.rand(1, 3, 32, 32),), CPU, torch.float32) == expected
        assert saved_bytes(network, (torch.rand(1, 3, 128, 64),), CPU, torch.float32) == 8 * expected


def test_training_continues_if_compiling_fails(monkeypatch):
    tried = []

    def fail(inputs: torch.Tensor) -> torch.Tensor:
        tried.append(len(inputs))
        raise BackendCompilerFailed(fail, RuntimeError("no C++ compiler"), None)

    monkeypatch.setattr(torch, "compile", lambda _network, **_settings: fail)
    network = nn.Conv2d(3, 3, 1)
    forward, inputs = compiled(network), torch.rand(2, 3, 4, 4)
    for _ in range(2):
        assert torch.equal(forward(inputs), network(inputs))
    assert tried == [2]


def test_schedule_warms_up_and_falls_to_zero():
    recipe = BlindSpotRecipe(warm_up=0.1)
    assert recipe.rate_factor(0.05) == pytest.approx(0.5)
    assert recipe.rate_factor(0.1) == pytest.approx(1)
    assert recipe.rate_factor(1.0) == pytest.approx(0, abs=1e-9)


class TestLossCurve:
    def test_it_keeps_the_mean_in_a_bounded_number_of_points(self):
        curve = LossCurve()
        for step in range(5000):
            curve.add(float(step), 1)
        points = curve.points()
        assert 200 < len(points) <= 512
        assert all(loss == pytest.approx(step, abs=1) for step, loss in points)

    def test_steps_count_regardless_of_how_many_are_read_at_once(self):
        curve, step = LossCurve(), 0
        for read in (20, 7, 20, 1, 12) * 200:
            step += read
            curve.add(step - read / 2, read)
        points = curve.points()
        assert points[-1][0] == pytest.approx(step, abs=2 * curve.width)
        assert all(loss == pytest.approx(middle, abs=20) for middle, loss in points)

    def test_recent_is_the_last_tenth(self):
        curve = LossCurve()
        assert curve.recent != curve.recent
        for step in range(100):
            curve.add(float(step), 1)
        assert curve.recent == pytest.approx(94.5)
