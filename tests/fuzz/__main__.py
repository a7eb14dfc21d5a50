"""The full run: workers beside each other, and a table of what became of every kind of file.

From the repository: PYTHONPATH=.:tests python -m fuzz [--kind KIND] [--case NUMBER] [--times N] [--jobs N]
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.kinds import COUNTS, KINDS, tiny_weights
from fuzz.worker import run_case

SECONDS_PER_CASE = 30.0
SECONDS_TO_START = 120.0


@dataclass
class Tally:
    """What became of the cases of one kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0


def run_kind(kind: str, numbers: range) -> Tally:
    """Checks all cases of a kind; one that kills its worker or hangs is a fault; the next goes on."""
    tally, begin = Tally(), numbers.start
    while begin < numbers.stop:
        begin = _run_worker(kind, range(begin, numbers.stop), tally)
    return tally


def _run_worker(kind: str, numbers: range, tally: Tally) -> int:
    """Returns the number to go on with."""
    command = [sys.executable, "-m", "fuzz.worker", kind, str(numbers.start), str(numbers.stop)]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as worker,
    ):
        current = _follow(worker, tally, numbers.start)
        if current >= numbers.stop:
            return current
        worker.kill()
        code = worker.wait()
        said.seek(0)
        tally.outcomes["fault"] += 1
        tally.faults.append((current, f"the process ended with {code}, or hung: {said.read()[:1500]}"))
        return current + 1


def _follow(worker: subprocess.Popen[str], tally: Tally, first: int) -> int:
    """Counts what a worker tells until it ends or hangs; returns the number that has no answer yet."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_into, args=(worker, lines), daemon=True).start()
    current, patience = first, SECONDS_TO_START
    begun = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=patience)
        except queue.Empty:
            return current
        if not line:
            return current
        message = json.loads(line)
        patience = SECONDS_PER_CASE
        if "begin" in message:
            begun = time.monotonic()
            continue
        tally.slowest = max(tally.slowest, time.monotonic() - begun)
        current = message["end"] + 1
        tally.outcomes[message["outcome"]] += 1
        if message["outcome"] == "fault":
            tally.faults.append((message["end"], message["detail"]))


def _read_into(worker: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put(line)
    lines.put("")


def show(tallies: dict[str, Tally]) -> None:
    """Prints the faults, and then the table."""
    for kind, tally in tallies.items():
        for number, detail in tally.faults:
            print(f"--- {kind} {number}\n{detail}")
    print(f"{'kind':<12} {'files':>6} {'read':>6} {'refused':>8} {'faults':>7} {'slowest':>9}")
    for kind, tally in tallies.items():
        read, refused, faults = (tally.outcomes[name] for name in ("read", "refused", "fault"))
        files = read + refused + faults
        print(f"{kind:<12} {files:>6} {read:>6} {refused:>8} {faults:>7} {tally.slowest:>7.1f} s")


def repeat(kind: str, number: int) -> str:
    """Runs one case in this process, so that a debugger can follow it."""
    with tempfile.TemporaryDirectory() as folder:
        return "\n".join(run_case(kind, number, tiny_weights(Path(folder))))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this; may be repeated")
    parser.add_argument("--case", type=int, help="only this number, in this process")
    parser.add_argument("--times", type=float, default=1.0, help="of the usual number of cases")
    parser.add_argument("--jobs", type=int, default=2, help="processes beside each other")
    options = parser.parse_args()
    kinds = options.kind or list(KINDS)
    if options.case is not None:
        print(repeat(kinds[0], options.case))
        return 0
    os.environ["HF_HUB_OFFLINE"] = "1"
    begin = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        ranges = [range(int(COUNTS[kind] * options.times)) for kind in kinds]
        tallies = dict(zip(kinds, pool.map(run_kind, kinds, ranges), strict=True))
    show(tallies)
    print(f"{time.monotonic() - begin:.0f} s")
    return int(any(tally.faults for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
