"""Seconds and peak memory of a function."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch

# Quick functions are measured several times, slow ones once.
_ENOUGH_SECONDS, _ROUNDS = 10.0, 3
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def seconds(function: Callable[[], object]) -> float:
    """Returns the wall-clock seconds of one call; its result must be in main memory when it returns."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def alternated(functions: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Returns the median seconds of each function. They take turns, so that other load affects all alike."""
    rounds: list[dict[str, float]] = []
    while not rounds or (len(rounds) < _ROUNDS and sum(map(_total, rounds)) < _ENOUGH_SECONDS):
        rounds.append({name: seconds(function) for name, function in functions.items()})
    return {name: median(one[name] for one in rounds) for name in functions}


def _total(one: Mapping[str, float]) -> float:
    return sum(one.values())


class PeakMemory:
    """Peak memory of this process since the object was made: on the GPU, or else in main memory."""

    def __init__(self, device: torch.device) -> None:
        """Starts measuring.

        Args:
            device: The device whose memory counts.
        """
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif _CLEAR_REFS.exists():
            _CLEAR_REFS.write_text("5", encoding="ascii")

    def peak_bytes(self) -> int | None:
        """Returns the peak so far in bytes; None on systems that do not report it."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if not _CLEAR_REFS.exists():
            return None
        lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
