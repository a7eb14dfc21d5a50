"""What the machine has free at the moment: main memory, and processors for threads.

Threads that share a picture wait for the slowest of them. One whose processor another program uses holds up
all: then fewer threads are faster, and leave the other program its share.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import torch

# Seconds that tell how busy a machine is.
_ENOUGH_SECONDS = 0.2
_T = TypeVar("_T")

_CGROUPS, _CAPACITIES = Path("/sys/fs/cgroup"), Path("/sys/devices/system/cpu")


def available_memory() -> int:
    """Main memory in bytes that is free, or that the system can free at once."""
    return int(psutil.virtual_memory().available)


def fit_threads() -> None:
    """Lets the calling thread compute with as many threads as are of use now.

    These are at most torch's own number, which OMP_NUM_THREADS sets, what a cgroup allows, and what other
    programs leave free. Call it when a photo begins.
    """
    torch.set_num_threads(_MACHINE.threads())


def parts_at_once() -> int:
    """Parts of a picture that are worth working on `side_by_side`: two, or one if there is one thread."""
    return min(2, torch.get_num_threads())


def side_by_side(parts: Sequence[Callable[[], _T]]) -> list[_T]:
    """Calls functions at once. Each computes with its share of the calling thread's threads.

    Threads that share an operation wait for each other after every single one. Threads that have work of
    their own do not. What a function raises is raised when all have ended.
    """
    if len(parts) == 1:
        return [parts[0]()]
    threads = torch.get_num_threads()
    share = max(1, threads // len(parts))
    try:
        with ThreadPoolExecutor(len(parts) - 1, initializer=torch.set_num_threads, initargs=(share,)) as pool:
            others = [pool.submit(part) for part in parts[1:]]
            torch.set_num_threads(share)
            return [parts[0](), *(other.result() for other in others)]
    finally:
        torch.set_num_threads(threads)  # also what threads that begin later have


@dataclass
class _Seconds:
    """Seconds since some moment: on the clock, of all processors' work, and of this process's."""

    clock: float
    all: float
    own: float

    @classmethod
    def now(cls) -> _Seconds:
        all_times, own = psutil.cpu_times(), psutil.Process().cpu_times()
        idle = all_times.idle + getattr(all_times, "iowait", 0.0)
        guests = getattr(all_times, "guest", 0.0) + getattr(all_times, "guest_nice", 0.0)  # counted twice
        return cls(time.monotonic(), sum(all_times) - idle - guests, own.user + own.system)


class _Machine:
    """The machine, watched from one question to the next."""

    def __init__(self) -> None:
        self._most = most_threads(torch.get_num_threads(), allowed_processors(), capacities())
        self._before, self._threads, self._lock = _Seconds.now(), self._most, threading.Lock()

    def threads(self) -> int:
        """Threads that are of use, by what other programs did since the last question."""
        with self._lock:
            now = _Seconds.now()
            passed = now.clock - self._before.clock
            if passed >= _ENOUGH_SECONDS:
                others = (now.all - self._before.all - (now.own - self._before.own)) / passed
                self._threads = free_threads(self._most, psutil.cpu_count() or self._most, others)
                self._before = now
            return self._threads


def free_threads(most: int, processors: int, others: float) -> int:
    """Threads that find a processor each.

    Args:
        most: The most that are of use.
        processors: Processors of the machine.
        others: How many of them other programs keep busy.
    """
    return min(most, max(1, round(processors - others)))


def most_threads(usual: int, allowed: float, speeds: list[float]) -> int:
    """Most threads that are of use on an idle machine.

    Args:
        usual: torch's number.
        allowed: Processors whose time the process may use.
        speeds: Relative speed of each processor, or nothing. Work is shared equally, so that k threads are
            as fast as k times the slowest of them.
    """
    fastest = sorted(speeds, reverse=True)[:usual]
    best = max(range(len(fastest)), key=lambda place: (place + 1) * fastest[place], default=usual - 1)
    return max(1, min(best + 1, round(min(allowed, usual))))


def allowed_processors(root: Path = _CGROUPS, cgroup: str | None = None) -> float:
    """Processors whose time this process's cgroups allow it; infinity if they do not limit it.

    Args:
        root: Where version 2 of the cgroups is mounted.
        cgroup: The process's cgroup; None to look it up. In a container it is the root.
    """
    own = _own_cgroup() if cgroup is None else cgroup
    folder = root / own.lstrip("/")
    return min(_quota(place / "cpu.max") for place in (folder, *folder.parents))


def _own_cgroup() -> str:
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "/"
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")


def _quota(file: Path) -> float:
    try:
        quota, period = file.read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # none, or "max"
        return float("inf")


def capacities(root: Path = _CAPACITIES) -> list[float]:
    """Relative speeds of the processors where the system tells them: on machines with unequal ones."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    files = [root / f"cpu{number}" / "cpu_capacity" for number in usable]
    try:
        return [float(file.read_text(encoding="ascii")) for file in files]
    except (OSError, ValueError):
        return []


_MACHINE = _Machine()
