"""The script of cluster.md, which trains on all machines of a Ray cluster."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nsp_cli.weights.file import load_network
from tests.students import save_shots, save_student

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc"),
]

PAGE = Path(__file__).parents[2] / ".github" / "docs" / "cluster.md"
SECONDS = 240


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with one core each."""
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **small})
    cluster.add_node(**small)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def script(address, tmp_path, monkeypatch) -> Path:
    """The script, with a free port, and where it finds the cluster."""
    block = re.search(
        r"^    import subprocess\n(?:    .*\n|\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert block
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    text = re.sub("^    ", "", block[0], flags=re.MULTILINE).replace("29500", str(port))
    path = tmp_path / "train.py"
    path.write_text(text)
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return path


def training(folder: Path, name: str, *options: object) -> list[str]:
    """What follows `nsp train`."""
    given = [folder / "shots", "-o", folder / name, "--from", folder / "student.safetensors"]
    return [str(one) for one in (*given, "--batch", 1, "--device", "cpu", *options)]


def processes_about(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = entry.read_bytes()
        except OSError:  # it has ended
            continue
        if os.fsencode(folder) in name:
            found.append(entry.parent.name)
    return found


def test_the_weights_are_those_of_torchrun(script, tmp_path):
    save_shots(tmp_path, 300)
    save_student(tmp_path)
    torchrun = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "nsp_cli",
        "train",
    ]
    for name, command in (("plain", torchrun), ("there", [str(script)])):
        arguments = training(tmp_path, f"{name}.safetensors", "--steps", 4)
        run = subprocess.run([sys.executable, *command, *arguments], stdout=-1, stderr=-2, timeout=SECONDS)
        assert run.returncode == 0, run.stdout
        assert b"in 2 processes" in run.stdout
    plain, there = (
        load_network(tmp_path / f"{name}.safetensors")[0].state_dict() for name in ("plain", "there")
    )
    for name, value in plain.items():
        torch.testing.assert_close(there[name], value, rtol=0, atol=0)


def test_ctrl_c_ends_all_processes(script, tmp_path):
    save_shots(tmp_path, 300)
    save_student(tmp_path)
    command = [sys.executable, str(script), *training(tmp_path, "mine.safetensors", "--steps", 500)]
    with subprocess.Popen(command, stdout=-1, stderr=-2, text=True) as run:
        assert run.stdout
        assert any("Training from" in line for line in run.stdout)
        assert processes_about(tmp_path)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=SECONDS)
    assert run.returncode != 0
    end = time.monotonic() + SECONDS
    while processes_about(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert not (tmp_path / "mine.safetensors").exists()
    assert not list(tmp_path.glob(".nsp*"))


def test_where_one_process_fails_all_end(script, tmp_path):
    save_shots(tmp_path, 300)
    command = [sys.executable, str(script), *training(tmp_path, "mine.safetensors", "--steps", 4)]
    run = subprocess.run(command, stdout=-1, stderr=-2, text=True, timeout=SECONDS)
    assert run.returncode == 1
    assert "student.safetensors" in run.stdout
    assert "The training failed." in run.stdout
