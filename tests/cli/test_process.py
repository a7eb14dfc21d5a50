"""Memory that is no longer needed: what a thread freed, another uses."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak in /proc")
def test_a_thread_uses_the_memory_that_another_freed_unless_the_user_has_it_otherwise(monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    alone, both = (_growth_by_threads(count) for count in (1, 2))
    assert both < 1.3 * alone
    if platform.libc_ver()[0] == "glibc":
        monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
        assert _growth_by_threads(2) > 1.6 * alone


def _growth_by_threads(count: int) -> int:
    """By how many bytes a process of its own grows whose threads take and free memory in turn."""
    command = [sys.executable, "-c", _TAKE_AND_FREE, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


_TAKE_AND_FREE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from nsp_cli.cli import main

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def take_and_free():
    parts = [b"x" * 100_000 for _ in range(1500)]
    return parts[-1]  # the rest is freed, but stays in the heap

main(["--version"])
before, kept = peak(), []
pools = [ThreadPoolExecutor(1) for _ in range(int(sys.argv[1]))]
for pool in pools:
    kept.append(pool.submit(take_and_free).result())
print(peak() - before)
"""
