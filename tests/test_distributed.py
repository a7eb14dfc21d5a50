"""Several processes, as torchrun starts them, train as one would with all of their crops."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch

from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.training.loop import run
from nsp_cli.training.recipe import Budget, Recipe
from nsp_cli.training.trainer import Trainer
from nsp_cli.training.world import World, joined_world
from tests.training_photos import small_pool

CPU, STEPS = torch.device("cpu"), 6


def train(folder: Path, world: World, batch: int, checkpoint: Path) -> Trainer:
    recipe = Recipe(crop=120, batch=batch, simulated=0.5)
    config = DbsnConfig(base_channels=4, num_modules=1)
    trainer = Trainer(
        small_pool(folder),
        network_name="dbsn",
        config=config,
        recipe=recipe,
        seed=3,
        device=CPU,
        world=world,
    )
    run(trainer, Budget(steps=STEPS), checkpoint=checkpoint)
    return trainer


def train_as(rank: int, size: int, port: int, folder: Path) -> None:
    """Is one of torchrun's processes; its own folder shows what it wrote."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    own = folder / f"rank{rank}"
    own.mkdir()
    with joined_world(CPU) as world:
        trainer = train(own, world, 2, own / "checkpoint")
    torch.save({"curve": trainer.curve.points(), "weights": trainer.ema}, folder / f"{rank}.pt")


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_two_processes_have_the_loss_curve_of_one_with_the_doubled_batch(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train_as, args=(rank, 2, port, tmp_path)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    (tmp_path / "one").mkdir()
    one = train(tmp_path / "one", World(), 4, tmp_path / "one" / "checkpoint")
    for rank in range(2):
        assert [step for step, _ in found[rank]["curve"]] == [step for step, _ in one.curve.points()]
        losses = torch.tensor([[a[1], b[1]] for a, b in zip(found[rank]["curve"], one.curve.points())])  # noqa: B905
        torch.testing.assert_close(losses[:, 0], losses[:, 1], rtol=1e-3, atol=1e-5)
        for name, value in one.ema.items():
            torch.testing.assert_close(found[rank]["weights"][name], value, rtol=1e-2, atol=1e-4)
    assert (tmp_path / "rank0" / "checkpoint").exists()
    assert not (tmp_path / "rank1" / "checkpoint").exists()


def test_outside_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with joined_world(CPU) as world:
        assert (world.rank, world.size, world.is_main) == (0, 1, True)
    assert world.agree(2.0, 3.0) == (2.0, 3.0)
