"""Measures what a cluster gains and costs, and computes what a large one would do.

OMP_NUM_THREADS=1 python benchmarks/cluster.py --photos 24 --megapixels 1  # photos per second; overhead
python benchmarks/cluster.py --on-paper                  # 100,000 photos of 24 megapixels on 8 GPUs
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import ray
from PIL import Image

from nsp_cli import load_weights
from nsp_cli.batch import Job, Outcome, Pipeline, Restored, RunSettings, Status, Worker
from nsp_cli.batch.on_cluster import ClusterPipeline, PhotoService
from nsp_cli.cluster import Farm, Request, Share
from nsp_cli.restoration import pipeline

WORKERS = (1, 2, 4)
SETTINGS = RunSettings("nsp-fast", "", "")
EMPTY_ITEMS = 2000
NOTE = "noise 12.5 luma, 10.1 chroma (of 255)"

# On paper. Seconds of a GPU and of a core for a photo of 24 megapixels: README, and _FILES in forecast.py.
PHOTOS, GPUS, GPU_SECONDS, FILE_SECONDS, FILE_MB = 100_000, 8, 0.6, 2.4, 10.0
LINKS = {"1 Gbit/s": 117.0, "10 Gbit/s": 1170.0, "25 Gbit/s": 2900.0}  # MB per second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--megapixels", type=float, default=1)
    parser.add_argument("--on-paper", action="store_true")
    options = parser.parse_args()
    if not options.on_paper and os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("set OMP_NUM_THREADS=1, so that a run without a cluster has one core too")
    on_paper() if options.on_paper else measure(options)


def measure(options: argparse.Namespace) -> None:
    """Prints the time of a plain run, and of runs on clusters of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(Path(folder), options)
        plain = steady_seconds(plain_run(jobs(photos, Path(folder) / "plain")))
        print(f"without a cluster: {1 / plain:.2f} photos per second")
        for workers in WORKERS:
            with cluster_of(workers):
                run = ClusterPipeline(Request(serve), Share(1), [], lambda *_: None)
                seconds = steady_seconds(run.run(jobs(photos, Path(folder) / f"{workers}")))
            extra = f", {(seconds - plain) * 1e3:+.0f} ms per photo" if workers == 1 else ""
            print(f"{workers} workers of one core: {1 / seconds:.2f} photos per second{extra}")
    with cluster_of(1):
        begin = time.perf_counter()
        farm = Farm[int, int](Request(partial(Nothing)), Share(1), [], lambda item, _error: item)
        for place, _ in enumerate(farm.run(range(EMPTY_ITEMS))):
            begin = time.perf_counter() if place == 0 else begin
        print(f"items without work: {(time.perf_counter() - begin) / EMPTY_ITEMS * 1e3:.2f} ms each")


def make_photos(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Writes grey pictures with noise, all different."""
    side, photos = round((options.megapixels * 1e6) ** 0.5), []
    for number in range(options.photos):
        photos.append(folder / f"{number:03}.jpg")
        noisy = np.random.default_rng(number).normal(128, 12, (side, side, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(photos[-1], quality=95)
    return photos


def jobs(photos: Sequence[Path], folder: Path) -> list[Job]:
    folder.mkdir()
    return [Job(photo, folder / photo.name) for photo in photos]


def steady_seconds(outcomes: Iterator[Outcome]) -> float:
    """Seconds per photo, without the start: from the first outcome to the last."""
    times = []
    for outcome in outcomes:
        assert outcome.error is None, outcome.error
        times.append(time.perf_counter())
    return (times[-1] - times[0]) / (len(times) - 1)


def plain_run(work: Sequence[Job]) -> Iterator[Outcome]:
    return serve([]).pipeline.run(work)


def serve(_weights: Sequence[Path]) -> PhotoService:
    restorer = load_weights(device="cpu")
    worker = Worker(lambda pixels, _, view: Restored(pipeline.denoise_tensor(restorer, pixels, view=view)[0]))
    return PhotoService(Pipeline(SETTINGS, [worker], lambda *_: lambda *_: None))


class Nothing:
    """A service without work."""

    def __init__(self, _weights: Sequence[Path]) -> None:
        pass

    def process(self, item: int, *, is_again: bool) -> int:  # noqa: ARG002 - as `Service` has it
        return item

    def stop(self) -> None:
        pass


@contextmanager
def cluster_of(cores: int) -> Iterator[None]:
    """Ray on this machine, with as many cores as it is told, whether they are there or not."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=cores,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
    )
    try:
        yield
    finally:
        ray.shutdown()


def on_paper() -> None:
    """Prints what limits a large run, each photo of which is read once and written once."""
    in_flight = Share(1, 1).in_flight
    by_gpus, by_photos = GPUS / GPU_SECONDS, GPUS * in_flight / (GPU_SECONDS + FILE_SECONDS)
    rate = min(by_gpus, by_photos)
    print(f"{GPUS} GPUs: at most {by_gpus:.1f} photos per second; with {in_flight} at a time {by_photos:.1f}")
    print(f"cores that read and write: {rate * FILE_SECONDS:.0f}")
    for name, megabytes in LINKS.items():
        most = megabytes / (2 * FILE_MB)
        hours = PHOTOS / min(rate, most) / 3600
        print(f"storage at {name}: {min(rate, most):.1f} per second, {hours:.1f} hours", end="; ")
        print(f"full with {most * GPUS / rate:.1f} GPUs")
    print(f"memory that {PHOTOS:,} photos take in the command: {memory_of_a_run() / 1e6:.0f} MB")


def memory_of_a_run() -> int:
    """Bytes of the jobs and outcomes of a run."""
    tracemalloc.start()
    work = [Job(Path(f"/nas/shoot/{n:06}.jpg"), Path(f"/nas/clean/{n:06}.jpg")) for n in range(PHOTOS)]
    outcomes = [
        Outcome(
            job, Status.DONE, 6000, 4000, 24.0, 3.0, (1.0, n / 1e5), "cuda:0", "bfloat16", (NOTE + str(n),)
        )
        for n, job in enumerate(work)
    ]
    assert len(outcomes) == PHOTOS
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    main()
