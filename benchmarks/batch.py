"""Measures what reading and writing during the work gains, and how much memory a long run takes.

python benchmarks/batch.py --photos 6 --megapixels 6      # ratio of medians, both ways in turn
python benchmarks/batch.py --photos 50 --megapixels 24 --memory
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from nsp_cli import load_weights
from nsp_cli.batch import Job, Pipeline, Restored, RunSettings, Worker
from nsp_cli.batch.outcome import Outcome
from nsp_cli.batch.stages import read_job, work_job, write_job
from nsp_cli.restoration import pipeline

ROUNDS = 5
_DIFFERENT = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--megapixels", type=float, default=6)
    parser.add_argument("--format", choices=("jpg", "tif", "png"), default="jpg")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(Path(folder) / "shoot", options)
        measure_memory(photos[0].parent) if options.memory else compare(photos)


def make_photos(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Writes smooth pictures with noise: four different ones, repeated, and the same in every run."""
    folder.mkdir()
    height = round((options.megapixels * 1e6 / 1.5) ** 0.5)
    shade = np.linspace(40, 200, height)[:, None, None] + np.linspace(0, 40, height * 3 // 2)[None, :, None]
    photos = []
    for number in range(options.photos):
        photos.append(folder / f"{number:03}.{options.format}")
        if number >= _DIFFERENT:
            shutil.copy(photos[number % _DIFFERENT], photos[-1])
            continue
        noise = np.random.default_rng(number).normal(0, 12, (*shade.shape[:2], 3))
        Image.fromarray((shade + noise).clip(0, 255).astype(np.uint8)).save(photos[-1], quality=95)
    return photos


# The run reports its own peak: the figure that a parent gets for a child includes the parent's peak.
_RUN = """
import sys
from pathlib import Path
from nsp_cli.cli import main
code = main(sys.argv[1:])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def measure_memory(folder: Path) -> None:
    """Prints the peak memory of the whole command. Works on Linux only."""
    command = [sys.executable, "-c", _RUN, "-q", "denoise", str(folder), "-o", str(folder.parent / "out")]
    begin = time.perf_counter()
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = int(run.stderr.split()[-1]) * 1024 / 1e9
    print(f"peak {peak:.2f} GB, {time.perf_counter() - begin:.0f} s")


def compare(photos: list[Path]) -> None:
    """Prints the time of each way, and their ratio."""
    restorer = load_weights()
    worker = Worker(lambda pixels, _, __: Restored(pipeline.denoise_tensor(restorer, pixels)[0]))
    ways = {"one after another": in_turn, "overlapped": overlapped}
    times: dict[str, list[float]] = {name: [] for name in ways}
    overlapped(photos[:2], worker)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begin = time.perf_counter()
            way(photos, worker)
            times[name].append(time.perf_counter() - begin)
    for name, seconds in times.items():
        print(f"{name}: {median(seconds):.2f} s (median of {ROUNDS})")
    slow, fast = (median(seconds) for seconds in times.values())
    print(f"throughput gained: {slow / fast - 1:+.1%}")


def in_turn(photos: list[Path], worker: Worker) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for job, settings in planned(photos, folder):
            ready = read_job(job, settings)
            assert not isinstance(ready, Outcome)
            write_job(work_job(ready, worker, None), settings)
            ready.claim.release()


def overlapped(photos: list[Path], worker: Worker) -> None:
    with tempfile.TemporaryDirectory() as folder:
        jobs, (settings, *_) = zip(*planned(photos, folder), strict=True)
        for outcome in Pipeline(settings, [worker], lambda *_: lambda *_: None).run(jobs):
            assert outcome.error is None


def planned(photos: list[Path], folder: str) -> list[tuple[Job, RunSettings]]:
    settings = RunSettings("nsp-fast", "", "")
    return [(Job(photo, Path(folder) / photo.name), settings) for photo in photos]


if __name__ == "__main__":
    main()
