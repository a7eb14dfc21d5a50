"""A process that checks one case after another, and may die of one without costing the others."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import BinaryIO

from fuzz.kinds import KINDS, tiny_weights

# Bytes that a case may add to what is resident; a photo of 16 megapixels needs half of it.
MOST_MEMORY = 768 * 2**20
# The machine's safety, far above what torch reserves for itself.
ADDRESS_SPACE = 12 * 2**30
# What libpng and LibRaw say on standard error about damaged pixels. It cannot be caught in this process
# without catching what other threads write, and they name no more than what is wrong.
_FROM_LIBRARIES = ("PNG warning: ",)


def serve(kind: str, numbers: range) -> None:
    """Checks cases, and tells of each when it begins and when it ends on standard output, as JSON lines."""
    with (
        os.fdopen(os.dup(1), "w", buffering=1) as protocol,
        os.fdopen(os.dup(2), "w") as crashes,
        tempfile.TemporaryDirectory(prefix="nsp-fuzz-") as name,
        (Path(name) / "stray").open("a+b") as stray,
    ):
        _limit_memory()
        faulthandler.enable(crashes)
        warnings.simplefilter("always")  # each would be a stray line for the user
        weights = tiny_weights(Path(name))
        os.dup2(stray.fileno(), 1)
        os.dup2(stray.fileno(), 2)
        for number in numbers:
            print(json.dumps({"begin": number}), file=protocol)
            outcome, detail = run_case(kind, number, weights, stray)
            print(json.dumps({"end": number, "outcome": outcome, "detail": detail}), file=protocol)


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_case(kind: str, number: int, weights: Path, stray: BinaryIO | None = None) -> tuple[str, str]:
    """Returns "read", "refused" or "fault", and what the fault is.

    Args:
        kind: A key of KINDS.
        number: Of the case.
        weights: A tiny network's file, in a folder where a case may work and must leave nothing else.
        stray: What the process prints past nsp's own console goes there.
    """
    folder, faults = weights.parent / "case", []
    before_files = {path.name for path in weights.parent.iterdir()}
    folder.mkdir()
    before = _peak_memory(reset=True)
    outcome = ""
    try:
        outcome = KINDS[kind](kind, number, folder, weights)
    except Exception:
        faults.append(traceback.format_exc(limit=-6))
    grown = _peak_memory() - before
    shutil.rmtree(folder)
    if grown > MOST_MEMORY:
        faults.append(f"memory grew by {grown / 2**20:.0f} MB")
    if stray is not None and (printed := _taken(stray)):
        faults.append(f"printed {printed!r}")
    if {path.name for path in weights.parent.iterdir()} != before_files:
        faults.append(f"files outside: {sorted(weights.parent.iterdir())}")
    return ("fault", "\n".join(faults)) if faults else (outcome, "")


def _peak_memory(*, reset: bool = False) -> int:
    """Returns the most memory that was resident since the last reset, in bytes; 0 where there is no /proc."""
    if sys.platform != "linux":
        return 0
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _taken(stray: BinaryIO) -> str:
    """Returns and forgets what was printed, also by C libraries."""
    sys.stdout.flush()
    sys.stderr.flush()
    stray.seek(0)
    lines = stray.read().decode("utf-8", "replace").splitlines()
    stray.truncate(0)
    return "\n".join(
        line for line in lines if not line.startswith(_FROM_LIBRARIES) and "/case.dng: " not in line
    )


if __name__ == "__main__":
    serve(sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3])))
