"""Threads: one for each processor that other programs, cgroups and slow cores leave."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event, Thread

import psutil
import pytest
import torch

from nsp_cli import resources
from nsp_cli.batch import Worker
from nsp_cli.photo import Photo
from nsp_cli.resources import (
    allowed_processors,
    available_memory,
    capacities,
    fit_threads,
    free_threads,
    most_threads,
    side_by_side,
)

ANY = float("inf")


@pytest.mark.parametrize(
    ("processors", "others", "expected"),
    [(8, 0.0, 4), (8, 3.9, 4), (8, 5.2, 3), (8, 8.0, 1), (2, 20.0, 1), (2, 0.4, 2), (2, 1.0, 1)],
)
def test_each_thread_finds_a_processor(processors, others, expected):
    assert free_threads(4, processors, others) == min(expected, processors)


@pytest.mark.parametrize(
    ("speeds", "allowed", "expected"),
    [
        ([], ANY, 8),
        ([], 2.0, 2),
        ([], 0.5, 1),
        ([1024.0] * 8, ANY, 8),
        # Two fast and six slow ones: eight threads are 3.2 fast ones, two are 2.
        ([1024.0] * 2 + [410.0] * 6, ANY, 8),
        # Six fast and two slow ones: eight threads are 3.2 fast ones, six are 6.
        ([410.0] * 2 + [1024.0] * 6, ANY, 6),
        ([1024.0] * 6 + [410.0] * 2, 3.0, 3),
    ],
)
def test_on_an_idle_machine_the_fastest_number_is_used(speeds, allowed, expected):
    assert most_threads(8, allowed, speeds) == expected


def test_the_tightest_cgroup_counts(tmp_path):
    inner = tmp_path / "user" / "app"
    inner.mkdir(parents=True)
    (tmp_path / "user" / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("max 100000\n")
    assert allowed_processors(tmp_path, "/user/app") == 1.5
    assert allowed_processors(tmp_path, "/") == ANY


def test_capacities_are_read_where_the_system_tells_them(tmp_path, monkeypatch):
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert capacities(tmp_path) == []
    for number, capacity in enumerate((1024, 512)):
        (tmp_path / f"cpu{number}").mkdir()
        (tmp_path / f"cpu{number}" / "cpu_capacity").write_text(f"{capacity}\n")
    assert sorted(capacities(tmp_path)) == [512, 1024]


def test_free_memory_is_plausible():
    assert 2**20 < available_memory() < 2**50


def test_beside_busy_programs_one_thread_is_left(monkeypatch):
    monkeypatch.setattr(resources, "_MACHINE", resources._Machine())
    loop = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(loop) for _ in range(2 * (psutil.cpu_count() or 1))]
    try:
        time.sleep(1.5)
        assert threads_of_a_photo() == 1
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_own_work_is_no_other_program(monkeypatch):
    """Time on the clock and of processors comes from the test, as of a machine with four of them."""
    times = iter([resources._Seconds(0, 0, 0), resources._Seconds(1, 4.0, 3.9), resources._Seconds(2, 8, 4)])
    monkeypatch.setattr(resources._Seconds, "now", lambda: next(times))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(resources, "allowed_processors", lambda: ANY)
    monkeypatch.setattr(resources, "capacities", list)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    machine = resources._Machine()
    assert [machine.threads(), machine.threads()] == [4, 1]


def test_a_moment_tells_nothing(monkeypatch):
    times = iter([resources._Seconds(0, 0, 0), resources._Seconds(0.01, 100, 0)])
    monkeypatch.setattr(resources._Seconds, "now", lambda: next(times))
    machine = resources._Machine()
    most = machine.threads()
    assert most >= 1
    assert most == machine._most


def threads_of_a_photo() -> int:
    """Threads that work on a photo gets, in a thread of its own as in a run."""
    found = []

    def restore(*_: object) -> None:
        found.append(torch.get_num_threads())
        raise StopIteration

    def work() -> None:
        with pytest.raises(StopIteration):
            Worker(restore).work(Photo(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy()), None)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    return found[0]


class TestSideBySide:
    @pytest.fixture(autouse=True)
    def _four_threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(4)
        yield
        with ThreadPoolExecutor(1) as pool:  # a thread that begins afterwards
            assert pool.submit(torch.get_num_threads).result() == 4
        assert torch.get_num_threads() == 4
        torch.set_num_threads(before)

    def test_each_has_its_share_of_the_threads_at_the_same_time(self):
        meeting = Barrier(2, timeout=60)

        def work(number: int) -> tuple[int, int]:
            meeting.wait()
            return number, torch.get_num_threads()

        assert side_by_side([partial(work, 1), partial(work, 2)]) == [(1, 2), (2, 2)]
        assert side_by_side([torch.get_num_threads]) == [4]

    def test_an_error_is_raised_when_all_have_ended(self):
        ended, failing = [], Event()

        def fail() -> None:
            failing.set()
            raise ValueError("it failed")

        def work() -> None:
            failing.wait(60)
            time.sleep(0.1)
            ended.append(1)

        with pytest.raises(ValueError, match="it failed"):
            side_by_side([fail, work])
        assert ended


def test_the_calling_thread_gets_them(monkeypatch):
    class _Told:
        def threads(self) -> int:
            return 1

    monkeypatch.setattr(resources, "_MACHINE", _Told())
    before = torch.get_num_threads()
    try:
        fit_threads()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
