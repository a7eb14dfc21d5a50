"""Runs on real Ray clusters: nodes as processes of their own, killed and added while photos are worked on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from noisy_files import save, tree

from nsp_cli.cluster import Farm, Request, Service, Share, connected
from nsp_cli.cluster import farm as farm_module
from nsp_cli.cluster.station import Station
from nsp_cli.errors import NspError
from tests.conftest import Run

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc"),
]

# Starting Ray takes seconds, on a busy machine many.
HANG_SECONDS = 240


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose head has one core. Tests add nodes to it and take them away."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **small})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def second(cluster) -> Iterator[object]:
    """A second node, with two cores."""
    node = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
    yield node
    if node in cluster.list_all_nodes():
        cluster.remove_node(node)


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    for number in range(60):
        save(tmp_path / "shoot" / f"{number % 3}" / f"{number}.png", number, side=48 + number % 7)
    return tmp_path / "shoot"


def nsp(*arguments: object) -> subprocess.Popen[str]:
    """Starts nsp in a process of its own. Ray cannot go to another cluster and back in one process."""
    command = [sys.executable, "-m", "nsp_cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> Run:
    with process:
        output, errors = process.communicate(timeout=HANG_SECONDS)
    return Run(process.returncode, output, errors)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not condition():
        if process is not None and process.poll() is not None:
            pytest.fail(f"it ended early: {process.communicate()}")
        assert time.monotonic() < end
        time.sleep(0.02)


def finished(folder: Path) -> int:
    return sum(path.name[0] != "." for path in folder.rglob("*.png"))


def workers_below(pid: int) -> list[int]:
    """Worker processes of nsp that a Ray node started; all below a process if it is no node."""
    parents = {}
    for entry in Path("/proc").iterdir():
        try:
            name = (entry / "cmdline").read_bytes()
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1]), name
        except (OSError, ValueError, IndexError):
            continue

    def is_below(one: int) -> bool:
        return one in parents and (parents[one][0] == pid or is_below(parents[one][0]))

    return [one for one, (_, name) in parents.items() if b"ray::Station" in name and is_below(one)]


def raylet_of(node) -> int:
    from ray._private import ray_constants

    (raylet,) = node.all_processes[ray_constants.PROCESS_TYPE_RAYLET]
    return raylet.process.pid


def test_a_node_killed_half_way_costs_nothing(cluster, second, run_nsp, shoot, tmp_path, tiny_weights):
    assert run_nsp("denoise", shoot, "-r", "-o", tmp_path / "plain", "-m", tiny_weights).code == 0
    out = tmp_path / "out"
    with nsp(
        "denoise", shoot, "-r", "-o", out, "-m", tiny_weights, "--json", "--cluster", cluster.address
    ) as run:
        wait_for(lambda: finished(out) >= 15 and workers_below(raylet_of(second)), run)
        cluster.remove_node(second, allow_graceful=False)
        done = finished(out)
        output, errors = run.communicate(timeout=HANG_SECONDS)
    assert run.returncode == 0, errors
    assert done < 60, "the node was killed too late to prove anything"
    found = Run(run.returncode, output, errors).statuses
    assert len(found) == 60
    assert set(found.values()) <= {"done", "skipped"}
    assert tree(out) == tree(tmp_path / "plain")


def test_a_node_that_joins_takes_part(cluster, run_nsp, shoot, tmp_path, tiny_weights):
    for number in range(60, 200):  # enough for the time that a node takes to start on a busy machine
        save(shoot / f"{number}.png", number)
    out = tmp_path / "out"
    with nsp("denoise", shoot, "-r", "-o", out, "-m", tiny_weights, "--cluster", cluster.address) as run:
        wait_for(lambda: finished(out) >= 2, run)
        node = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
        raylet = raylet_of(node)
        wait_for(lambda: len(workers_below(raylet)) == 2, run)
        _, errors = run.communicate(timeout=HANG_SECONDS)
    cluster.remove_node(node)
    assert run.returncode == 0, errors
    assert "200 done" in errors


def test_auto_is_like_a_run_without_a_cluster(cluster, run_nsp, tmp_path, tiny_weights):
    for number in range(4):
        save(tmp_path / "shoot" / f"{number}.png", number)
    (tmp_path / "shoot" / "bad.jpg").write_bytes(b"bad")
    command = ("denoise", tmp_path / "shoot", "-m", tiny_weights, "--json")
    plain = run_nsp(*command, "-o", tmp_path / "plain")
    on_cluster = (*command, "-o", tmp_path / "out", "--cluster")
    first, again = finish(nsp(*on_cluster, "auto")), finish(nsp(*on_cluster, cluster.address))
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")
    assert first.code == again.code == plain.code == 1
    assert lines_by_source(first.out) == lines_by_source(plain.out)
    assert sorted(again.statuses.values()) == ["failed", *["skipped"] * 4]
    table = [run.err[run.err.index("┏") : run.err.index("└")] for run in (first, plain)]
    assert table[0] == table[1]


def test_upscale_and_its_dry_run(cluster, run_nsp, tmp_path, tiny_weights):
    for number in range(3):
        save(tmp_path / "shoot" / f"{number}.png", number)
    command = ("upscale", tmp_path / "shoot", "-m", tiny_weights)
    on_cluster = (*command, "-o", tmp_path / "out", "--cluster", cluster.address)
    dry = run_nsp(*on_cluster, "--dry-run")
    assert dry.code == 0, dry.err
    assert "room for 1 worker" in dry.err
    assert "3 of 3 photos" in dry.err
    assert "96×96" in dry.out
    assert not (tmp_path / "out").exists()
    assert run_nsp(*on_cluster).code == 0
    assert run_nsp(*command, "-o", tmp_path / "plain").code == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")


def test_evaluate_scores_the_same_in_the_same_order(cluster, run_nsp, tmp_path, tiny_weights):
    for number in range(5):
        save(tmp_path / "noisy" / f"{number}.png", number, side=60 - number)
        save(tmp_path / "clean" / f"{number}.png", 9 + number, side=60 - number)
    (tmp_path / "noisy" / "bad.png").write_bytes(b"bad")
    (tmp_path / "clean" / "bad.png").write_bytes(b"bad")
    command = ("evaluate", tmp_path / "noisy", tmp_path / "clean", "-m", tiny_weights, "--json")
    plain, there = run_nsp(*command), run_nsp(*command, "--cluster", cluster.address)
    assert there.code == plain.code == 1
    assert json.loads(there.out) == json.loads(plain.out)
    assert [score["name"] for score in json.loads(there.out)["images"]] == [f"{n}.png" for n in range(5)]
    assert "1 of 6 pairs failed" in there.err


def lines_by_source(out: str) -> dict[str, dict[str, object]]:
    """What --json says of each photo, without what differs from run to run."""
    lines = [json.loads(line) for line in out.splitlines()]
    return {line["source"]: line | {"output": "", "seconds": 0} for line in lines}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_within_five_seconds(shoot, tmp_path, tiny_weights, number):
    out = tmp_path / "out"
    with nsp("denoise", shoot, "-r", "-o", out, "-m", tiny_weights, "--cluster", "auto") as run:
        wait_for(lambda: finished(out) >= 3, run)
        workers = workers_below(run.pid)
        assert workers
        begin = time.monotonic()
        run.send_signal(number)
        _, errors = run.communicate(timeout=HANG_SECONDS)
        seconds = time.monotonic() - begin
    assert run.returncode == 130, errors
    assert seconds < 5
    assert "Run the same command again to continue" in errors
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert not list(out.rglob(".*"))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_is_not_there(run_nsp, tmp_path, tiny_weights, address):
    save(tmp_path / "a.png")
    run = run_nsp("denoise", tmp_path / "a.png", "-m", tiny_weights, "--cluster", address)
    assert run.code == 1
    assert "cannot be joined" in run.err
    assert "ray start" in run.err


@pytest.mark.parametrize("answer", [b"HTTP/1.0 400 Bad request", b"", None])
def test_what_answers_is_no_cluster(run_nsp, tmp_path, tiny_weights, answer):
    def serve(listening: socket.socket) -> None:
        there, _ = listening.accept()
        with there:
            if answer is not None:
                there.sendall(answer)
            else:  # it hears and says nothing
                while there.recv(100):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        begin, address = time.monotonic(), f"127.0.0.1:{listening.getsockname()[1]}"
        run = run_nsp("denoise", save(tmp_path / "a.png"), "-m", tiny_weights, "--cluster", address)
    assert run.code == 1
    assert "is not the head of a Ray cluster" in run.err
    assert time.monotonic() - begin < 60


def toy(folder: Path) -> Callable[[Sequence[Path]], Service]:
    """A service that doubles numbers. Number 3 kills its worker once, number 5 always."""

    def make(_weights: Sequence[Path]) -> Service:
        class Toy:
            def process(self, item: int, *, is_again: bool) -> tuple[int, int]:
                with (folder / str(item)).open("a") as file:
                    file.write("x")
                if item == 5 or (item == 3 and not is_again):
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(0.05)
                return 2 * item, os.getpid()

            def stop(self) -> None:
                pass

        return Toy()

    return make


def test_dead_workers_are_replaced_and_what_kills_them_is_given_up(cluster, tmp_path):
    def lost(item: int, error: NspError) -> tuple[int, int]:
        assert "3 workers died" in error.message
        return -item, 0

    with connected(cluster.address):
        farm = Farm[int, tuple[int, int]](Request(toy(tmp_path)), Share(1), [], lost)
        results = dict(farm.run(range(9)))
    assert {index: value for index, (value, _) in results.items()} == {
        index: 2 * index if index != 5 else -5 for index in range(9)
    }
    assert 1 <= len((tmp_path / "5").read_text()) <= 3  # one that died may not have come to it
    assert len({pid for _, pid in results.values() if pid}) > 1


def on_node(bad: str, fault: Exception, tries: int, folder: Path) -> Callable[[Sequence[Path]], Service]:
    """A service that does not begin on one node, and waits for tries to. Number 1 kills its worker once."""
    (folder / bad).touch()

    def make(_weights: Sequence[Path]) -> Service:
        import ray

        node = ray.get_runtime_context().get_node_id()
        with (folder / node).open("a") as file:
            file.write("x")
        if node == bad:
            raise fault

        class Toy:
            def process(self, item: int, *, is_again: bool) -> int:
                if item == 1 and not is_again:
                    os.kill(os.getpid(), signal.SIGKILL)
                end = time.monotonic() + 60
                while len((folder / bad).read_text()) < tries and time.monotonic() < end:
                    time.sleep(0.1)
                time.sleep(0.2)
                return item

            def stop(self) -> None:
                pass

        return Toy()

    return make


@pytest.mark.parametrize(
    ("fault", "tries"), [(NspError("not here"), 1), (ModuleNotFoundError("not here"), 3)]
)
def test_a_node_that_cannot_take_part_is_left_out_and_the_others_go_on(
    cluster, second, tmp_path, fault, tries
):
    refusals: list[NspError] = []
    with connected(cluster.address):
        make = on_node(second.node_id, fault, tries, tmp_path)
        farm = Farm[int, int](Request(make), Share(1), [], pytest.fail, on_refusal=refusals.append)
        assert sorted(farm.run(range(40))) == [(number, number) for number in range(40)]
    assert len(refusals) == 1
    assert refusals[0].message.endswith("not here") or refusals[0].message.endswith("not here.")
    assert "Traceback" not in refusals[0].message
    # Three failures, and those of workers already starting: as many as Ray thinks there is room for, on nodes
    # that have just died too.
    assert len((tmp_path / second.node_id).read_text()) <= 8


def test_a_worker_that_fails_to_start_is_ended(cluster, monkeypatch):
    import ray

    killed: list[object] = []
    kill = ray.kill

    def counted(actor: Any) -> None:
        killed.append(actor._actor_id)
        kill(actor)

    def make(_weights: Sequence[Path]) -> Service:
        raise ModuleNotFoundError("not here")

    monkeypatch.setattr(ray, "kill", counted)
    farm = Farm[int, int](Request(make), Share(1), [], pytest.fail)
    with connected(cluster.address), pytest.raises(NspError, match="not here"):
        list(farm.run(range(3)))
    assert len(killed) == len(set(killed)) == 3


def test_there_are_no_more_workers_than_items(cluster, second, tmp_path):
    import ray
    from ray._private import state

    def count(_index: int) -> None:
        job = ray.get_runtime_context().get_job_id()
        counts.append(sum(actor["JobID"] == job for actor in state.actors().values()))

    counts: list[int] = []
    with connected(cluster.address):
        request = Request(on_node("none", NspError(""), 0, tmp_path))
        farm = Farm[int, int](request, Share(1), [], pytest.fail, on_begin=count)
        assert list(farm.run(range(1))) == [(0, 0)]
    assert counts == [1]


def test_a_run_that_waits_for_another_one_says_so(cluster, tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(farm_module, "_PATIENCE_SECONDS", 1.0)
    waits: list[int] = []
    with connected(cluster.address):
        other = ray.remote(Station).options(num_cpus=1).remote()
        ray.get(other.stop.remote())

        def let_go() -> None:
            waits.append(1)
            ray.kill(other)

        end = threading.Timer(30, ray.kill, [other])  # or the test would not end if nobody says so
        end.start()
        request = Request(on_node("none", NspError(""), 0, tmp_path))
        farm = Farm[int, int](request, Share(1), [], pytest.fail, on_wait=let_go)
        assert list(farm.run(range(1))) == [(0, 0)]
        end.cancel()
    assert waits == [1]


def test_nodes_that_cannot_take_part_are_named(cluster, tmp_path):
    refusals: list[NspError] = []
    request = Request(toy(tmp_path), must_exist=[tmp_path / "nas"])
    with connected(cluster.address):
        farm = Farm[int, object](request, Share(1), [], pytest.fail, on_refusal=refusals.append)
        with pytest.raises(NspError, match="does not see"):
            list(farm.run(range(3)))
    assert len(refusals) == 1
