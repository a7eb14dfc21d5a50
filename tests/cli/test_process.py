"""Memory that is no longer needed: what a thread freed, another uses."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak in /proc")
def test_a_thread_uses_the_memory_that_another_freed():
    # In a process of its own: heaps stay once they are there.
    alone, both = (_peak_of_threads(count) for count in (1, 2))
    assert both < 1.3 * alone


def _peak_of_threads(count: int) -> int:
    """Bytes that a process gains in which threads take and free the same memory one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", _TAKE_AND_FREE, str(count)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


_TAKE_AND_FREE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from nsp_cli.cli.process import share_freed_memory

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def take_and_free():
    parts = [b"x" * 100_000 for _ in range(1500)]
    return parts[-1]  # the rest is freed, but stays in the heap

share_freed_memory()
before, kept = peak(), []
pools = [ThreadPoolExecutor(1) for _ in range(int(sys.argv[1]))]
for pool in pools:
    kept.append(pool.submit(take_and_free).result())
print(peak() - before)
"""
