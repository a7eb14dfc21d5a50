"""Several processes, started as by torchrun, train like one process with all of their crops."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from nsp_cli.cli import main
from nsp_cli.cli.workflows import training
from nsp_cli.errors import TrainingError
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data import photo_cache
from nsp_cli.training.run import loop
from nsp_cli.training.run import trainer as trainer_module
from nsp_cli.training.run.distributed import ProcessGroup, joined_process_group
from nsp_cli.training.run.loop import run
from nsp_cli.training.run.recipe import BlindSpotRecipe, Budget
from nsp_cli.training.run.trainer import Trainer
from tests.students import save_student
from tests.training_photos import noisy_pixels, small_pool

CPU, STEPS = torch.device("cpu"), 6
# On Linux, new processes are copies of one that has imported what takes seconds.
CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
CONTEXT.set_forkserver_preload(["nsp_cli.cli.workflows.training", "torch._dynamo"])
needs_distributed = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="torch without distributed"
)


def train(
    folder: Path,
    processes: ProcessGroup,
    batch: int,
    checkpoint: Path,
    on_step: Callable[[int], None] = lambda _: None,
) -> Trainer:
    recipe = BlindSpotRecipe(crop=120, batch=batch, simulated=0.5)
    config = DbsnConfig(base_channels=4, num_modules=1)
    trainer = Trainer(
        BlindSpotTask(small_pool(folder), recipe, config.spec(), processes),
        network_name="dbsn",
        config=config,
        seed=3,
        device=CPU,
        processes=processes,
    )
    run(
        trainer,
        Budget(steps=STEPS),
        checkpoint=checkpoint,
        checkpoint_every=5,
        on_progress=lambda now: on_step(now.step),
    )
    return trainer


def join_as(rank: int, size: int, port: int) -> None:
    """Sets the environment variables that torchrun sets for a process."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)


def train_as(rank: int, size: int, port: int, folder: Path) -> None:
    """Trains in a separate folder, so that the test sees which files this process wrote."""
    join_as(rank, size, port)
    own = folder / f"rank{rank}"
    own.mkdir()
    with joined_process_group(CPU) as processes:
        trainer = train(own, processes, 2, own / "checkpoint")
    torch.save({"curve": trainer.curve.points(), "weights": trainer.ema}, folder / f"{rank}.pt")


def read_seldom() -> None:
    """Reads the loss rarely, as on a GPU, so that saving has a loss left to read."""
    trainer_module._CHECK_EVERY["cpu"] = 4


def train_by_two_clocks(rank: int, size: int, port: int, folder: Path) -> None:
    """Trains with a clock in the first process that asks for a checkpoint after every step."""
    read_seldom()
    speed = 1 if rank else 10_000
    loop.time = SimpleNamespace(monotonic=lambda: speed * time.monotonic())
    train_as(rank, size, port, folder)


def train_until_a_photo_is_gone(rank: int, size: int, port: int, folder: Path) -> None:
    """Trains until only the second process meets an error."""
    read_seldom()
    join_as(rank, size, port)
    own = folder / f"rank{rank}"
    own.mkdir()

    def fail(step: int) -> None:
        if rank and step == 3:
            raise TrainingError("injected")

    with joined_process_group(CPU) as processes:
        train(own, processes, 2, own / "checkpoint", fail)


def train_until_one_is_interrupted(rank: int, size: int, port: int, folder: Path) -> None:
    """Trains until only the second process gets a signal; writes down that both were interrupted."""

    def interrupt(step: int) -> None:
        if rank and step == 3:
            signal.raise_signal(signal.SIGTERM)

    join_as(rank, size, port)
    own = folder / f"rank{rank}"
    own.mkdir()
    with joined_process_group(CPU) as processes:
        try:
            train(own, processes, 2, own / "checkpoint", interrupt)
        except KeyboardInterrupt:
            (own / "interrupted").touch()


def in_two_processes(target: Callable[[int, int, int, Path], None], folder: Path) -> list[int | None]:
    """Exit codes of both processes; None for a process that had to be killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [CONTEXT.Process(target=target, args=(rank, 2, port, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


@pytest.mark.slow
@needs_distributed
def test_processes_with_different_clocks_save_together(tmp_path):
    assert in_two_processes(train_by_two_clocks, tmp_path) == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert found[0]["curve"] == found[1]["curve"]
    assert len(found[0]["curve"]) == STEPS


def run_the_command(rank: int, size: int, port: int, folder: Path) -> None:
    """Runs nsp train as the only process of one of two machines that share a disk."""
    join_as(rank, size, port)
    os.environ |= {"LOCAL_RANK": "0", "GROUP_RANK": str(rank), "NSP_CACHE_DIR": str(folder / "cache")}
    options = ["--crop", "120", "--batch", "1", "--steps", "2", "--device", "cpu", "--overwrite"]
    start = ["--from", str(folder / "tiny.safetensors")]
    code = main(["train", str(folder / "shots"), "-o", str(folder / "mine.safetensors"), *start, *options])
    sys.exit(code)


@pytest.mark.slow
@needs_distributed
def test_each_machine_removes_its_decoded_photos(tmp_path, tiny_weights):
    (tmp_path / "shots").mkdir()
    Image.fromarray(noisy_pixels(300, 600)).save(tmp_path / "shots" / "a.png")
    assert in_two_processes(run_the_command, tmp_path) == [0, 0]
    assert tiny_weights.with_name("mine.safetensors").exists()
    assert (tmp_path / "cache" / "decoded").is_dir()
    assert not list((tmp_path / "cache" / "decoded").iterdir())


def run_slowly(rank: int, size: int, port: int, folder: Path) -> None:
    """Runs nsp train in two processes of one machine: one writes slowly, one opens the cache slowly."""
    join_as(rank, size, port)
    os.environ |= {"NSP_CACHE_DIR": str(folder / "cache")}
    module, name = (photo_cache, "remove_all_leftovers") if rank else (photo_cache.np, "save")
    real, (before, after) = getattr(module, name), (1, 0) if rank else (0, 3)
    setattr(module, name, lambda *given: (time.sleep(before), real(*given), time.sleep(after)))
    start = ["--from", str(folder / "tiny.safetensors"), "--crop", "120", "--batch", "1", "--device", "cpu"]
    code = main(
        ["train", str(folder / "shots"), "-o", str(folder / "mine.safetensors"), *start, "--steps", "2"]
    )
    sys.exit(code)


@pytest.mark.slow
@needs_distributed
@pytest.mark.usefixtures("tiny_weights")
def test_no_process_removes_what_another_one_writes(tmp_path):
    (tmp_path / "shots").mkdir()
    Image.fromarray(noisy_pixels(300, 600)).save(tmp_path / "shots" / "a.png")
    assert in_two_processes(run_slowly, tmp_path) == [0, 0]


def adapt_for_seconds(rank: int, size: int, port: int, folder: Path) -> None:
    """Runs nsp train for two seconds in processes that take none or one second to get ready, by their clocks.

    Half of the time is never taken from the training, and real clocks could ask for more than that in both.
    """
    join_as(rank, size, port)
    os.environ |= {"NSP_CACHE_DIR": str(folder / "cache")}
    training.time = SimpleNamespace(monotonic=lambda: 0.0)
    training.seconds_to_judge = lambda *_: float(rank)
    start = ["--from", str(folder / "student.safetensors"), "--batch", "1", "--device", "cpu"]
    code = main(
        ["train", str(folder / "shots"), "-o", str(folder / "mine.safetensors"), *start, "--minutes", "0.05"]
    )
    sys.exit(code)


@pytest.mark.slow
@needs_distributed
def test_processes_that_get_ready_at_different_times_end_together(tmp_path):
    (tmp_path / "shots").mkdir()
    Image.fromarray(noisy_pixels(300, 600)).save(tmp_path / "shots" / "a.png")
    save_student(tmp_path)
    assert in_two_processes(adapt_for_seconds, tmp_path) == [0, 0]
    assert (tmp_path / "mine.safetensors").exists()


@pytest.mark.slow
@needs_distributed
def test_an_error_in_one_process_ends_both(tmp_path):
    codes = in_two_processes(train_until_a_photo_is_gone, tmp_path)
    assert codes[1] == 1
    assert codes[0] not in (0, None)


@pytest.mark.slow
@needs_distributed
def test_a_signal_to_one_process_interrupts_both(tmp_path):
    assert in_two_processes(train_until_one_is_interrupted, tmp_path) == [0, 0]
    assert all((tmp_path / f"rank{rank}" / "interrupted").exists() for rank in range(2))
    assert torch.load(tmp_path / "rank0" / "checkpoint")["state"]["step"] == 3


@pytest.mark.slow
@needs_distributed
def test_two_processes_have_the_loss_curve_of_one_with_twice_the_batch(tmp_path):
    assert in_two_processes(train_as, tmp_path) == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    (tmp_path / "one").mkdir()
    one = train(tmp_path / "one", ProcessGroup(), 4, tmp_path / "one" / "checkpoint")
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
    with joined_process_group(CPU) as processes:
        assert (processes.rank, processes.size, processes.is_main) == (0, 1, True)
    assert processes.largest(2.0, 3.0) == (2.0, 3.0)
