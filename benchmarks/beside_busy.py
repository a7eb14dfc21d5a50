"""Denoises a photo beside busy programs, and says how much of the processors it got and used.

    python benchmarks/beside_busy.py PHOTO [--busy 20] [--model nsp-light] [--rounds 3]

A program that computes in one thread takes as many times longer as the machine is crowded. `nsp denoise` should
take no longer for its own work than that. Prints, by turns, seconds on the clock, seconds of processors, and
their ratio, for such a program and for nsp.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOP = "x = 0\nfor i in range(30_000_000):\n    x += i"


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Keeps processors busy."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def measure(name: str, command: list[str]) -> None:
    """Runs a command and prints its times."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after, taken = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name}: {taken:.1f} s, {used:.1f} s of processors, {taken / used:.1f} times", flush=True)


def main() -> None:
    """Reads the options and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("--busy", type=int, default=20)
    parser.add_argument("--model", default="nsp-light")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, busy_programs(given.busy):
        for number in range(given.rounds):
            measure("one thread", [sys.executable, "-c", LOOP])
            result = str(Path(folder) / f"{number}.png")
            nsp = [sys.executable, "-m", "nsp_cli", "denoise", str(given.photo), "-o", result]
            measure("nsp", [*nsp, "-m", given.model])


if __name__ == "__main__":
    main()
