"""Teaches the bundled networks from folders of photos. You can stop and restart it at any time.

    python benchmarks/train_students.py OUT --clean CLEAN --pairs NOISY CLEAN --cameras PHOTOS \
        --train nsp-noise:noise-map:60 --train nsp-fast:fast:300 --train nsp-fast-x2:fast-x2:60:nsp-fast

A network is NAME:NETWORK:MINUTES. Add :START to begin with the weights of an earlier one, or with weights by
name or file. Networks are trained in the order given; what is finished lies in OUT and is skipped. Students
are told what the noise estimator (noise-map) before them answers. At least one of the folders CLEAN and
PHOTOS is needed. If a machine is available for a few minutes at a time, run it under `timeout 540`: the same
command continues it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nsp_cli import load_weights
from nsp_cli.device import choose_device, describe_device
from nsp_cli.evaluation.folders import match_folders
from nsp_cli.networks.noise_map import NoiseMapConfig
from nsp_cli.ops.progress import counted
from nsp_cli.restoration import pipeline
from nsp_cli.training.data.clean_photos import PicturePair, load_picture_pairs, with_halves
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import TrainingPhoto, load_pool
from nsp_cli.training.distillation.sources import SampleSources, find_flats
from nsp_cli.training.distillation.task import EstimatorTask, StudentTask
from nsp_cli.training.distillation.teacher_data import (
    PHOTO_CACHE_SHARE,
    TeacherDataset,
    prepare_teacher_dataset,
)
from nsp_cli.training.run.loop import TrainingProgress, run
from nsp_cli.training.run.recipe import Budget, EstimatorRecipe, PictureShares, StudentRecipe
from nsp_cli.training.run.starting_point import (
    StartingPoint,
    start_enlarging,
    start_from_file,
    start_from_random,
)
from nsp_cli.training.run.task import Task
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.weights.file import load_network, save_weights
from nsp_cli.weights.resolve import resolve, sha256_of

ESTIMATOR = "noise-map"
PRINT_EVERY_SECONDS = 30


@dataclass(frozen=True)
class Stage:
    """One of the networks.

    Attributes:
        name: Name of its weights.
        network: "noise-map", or a student's key of `PRESETS`.
        minutes: Training time in minutes.
        start: Weights to begin with, of an earlier stage or by name; None for random weights.
    """

    name: str
    network: str
    minutes: float
    start: str | None

    @classmethod
    def parse(cls, text: str) -> Stage:
        """Reads NAME:NETWORK:MINUTES[:START]."""
        name, network, minutes, *start = text.split(":")
        return cls(name, network, float(minutes), start[0] if start else None)

    def weights(self, out: Path) -> Path:
        """File of its finished weights."""
        return out / f"{self.name}.safetensors"


def read_sources(given: argparse.Namespace) -> SampleSources:
    """Decodes the photos and runs the teacher on those of cameras, or finds all that in the cache."""
    begin = time.monotonic()
    side = 2 * (given.crop or StudentRecipe.crop)  # an enlarging student's targets are that large
    caches = {name: PhotoCache(given.out / name) for name in ("clean", "pairs")}
    clean: tuple[TrainingPhoto, ...] = ()
    if given.clean:
        clean = with_halves(load_pool([given.clean], caches["clean"], crop=side, seed=0), caches["clean"])
    pairs = _read_pairs(given, caches["pairs"]) if given.pairs else ()
    cache = PhotoCache(given.out / "cameras", share=PHOTO_CACHE_SHARE)
    cameras = _read_cameras(given, cache, side) if given.cameras else None
    flats = find_flats(cameras.pool.photos, cameras.profiles, cache) if cameras else ()
    sources = SampleSources(clean, pairs, cameras, flats)
    patches = sum(map(len, flats))
    print(f"{sources.describe()}, {patches} flat patches after {time.monotonic() - begin:.0f} s", flush=True)
    return sources


def _read_pairs(given: argparse.Namespace, cache: PhotoCache) -> tuple[PicturePair, ...]:
    pairs, alone = match_folders(*given.pairs)
    if alone:
        photos = counted(len(alone), "photo")
        print(f"{photos} without a clean counterpart left out of {given.pairs[0]}", flush=True)
    return load_picture_pairs(pairs, cache)


def _read_cameras(given: argparse.Namespace, cache: PhotoCache, side: int) -> TeacherDataset:
    pool, teacher = load_pool([given.cameras], cache, crop=side, seed=0), resolve(given.teacher).path
    restorer = load_weights(str(teacher), device=given.device)
    return prepare_teacher_dataset(
        pool,
        cache,
        lambda photo: pipeline.denoise_tensor(restorer, photo)[0],
        sha256_of(teacher),
        execution=restorer.execution,
    )


def train(stage: Stage, sources: SampleSources, estimator: Path | None, given: argparse.Namespace) -> None:
    """Trains a network, or continues it, and saves the running mean of its weights in float16."""
    device, start = choose_device(given.device), _start(stage, given.out)
    trainer = Trainer(
        _task(stage, start, sources, estimator, given),
        network_name=start.network_name,
        config=start.config,
        seed=given.seed,
        device=device,
        initial=start.weights,
    )
    checkpoint = given.out / f"{stage.name}.checkpoint"
    if checkpoint.exists():
        trainer.resume(checkpoint)
    print(f"{stage.name} on {describe_device(device)} from step {trainer.step}", flush=True)
    run(trainer, Budget(minutes=stage.minutes), checkpoint=checkpoint, on_progress=_Display(stage.name))
    metadata: dict[str, Any] = {**trainer.metadata(), "name": stage.name, "licence": "Apache-2.0"}
    save_weights(
        stage.weights(given.out),
        trainer.averaged_network(),
        network_name=trainer.network_name,
        config=trainer.config,
        metadata=metadata,
        half_precision=True,
    )
    print(f"{stage.name}: {trainer.step} steps, loss {trainer.curve.recent:.5f}", flush=True)


def _start(stage: Stage, out: Path) -> StartingPoint:
    if stage.start is None and stage.network == ESTIMATOR:
        return StartingPoint(ESTIMATOR, NoiseMapConfig(), None, "random weights")
    if stage.start is None:
        return start_from_random(stage.network)
    earlier = out / f"{stage.start}.safetensors"
    start = start_from_file(earlier if earlier.exists() else resolve(stage.start).path, stage.start)
    is_enlarging = stage.network.endswith("-x2") and start.config.spec().scale == 1
    return start_enlarging(start) if is_enlarging else start


def _task(
    stage: Stage,
    start: StartingPoint,
    sources: SampleSources,
    estimator: Path | None,
    given: argparse.Namespace,
) -> Task:
    sizes = {name: size for name in ("crop", "batch") if (size := getattr(given, name)) is not None}
    if stage.network == ESTIMATOR:
        pictures = _pictures(EstimatorRecipe().pictures, sources)
        return EstimatorTask(sources, EstimatorRecipe(**sizes, pictures=pictures))
    recipe = StudentRecipe(
        **sizes,
        pictures=_pictures(StudentRecipe().pictures, sources),
        learning_rate=given.learning_rate / (2 if stage.start else 1),
    )
    told = _loaded(estimator, choose_device(given.device)) if estimator else None
    return StudentTask(
        sources, recipe, start.config.spec().scale, f"taught by {given.teacher}", estimator=told
    )


def _pictures(shares: PictureShares, sources: SampleSources) -> PictureShares:
    """The shares without the teacher's results where there are clean photos: they only lack detail."""
    return replace(shares, denoised=0.0) if sources.clean else shares


def _loaded(estimator: Path, device: torch.device) -> nn.Module:
    return load_network(estimator)[0].to(device).eval()


class _Display:
    """Prints a line every half minute."""

    def __init__(self, name: str) -> None:
        self._name, self._last = name, time.monotonic()

    def __call__(self, now: TrainingProgress) -> None:
        if time.monotonic() - self._last < PRINT_EVERY_SECONDS:
            return
        self._last = time.monotonic()
        line = f"step {now.step}, {now.left:.0f} s left, loss {now.loss:.5f}, {now.waited:.0%} waited"
        print(f"{self._name}: {line}", flush=True)


def train_all(given: argparse.Namespace) -> None:
    """Trains what is not finished yet, in the order given."""
    sources: SampleSources | None = None
    estimator: Path | None = None
    for stage in given.train:
        weights = stage.weights(given.out)
        if not weights.exists():
            sources = sources or read_sources(given)
            train(stage, sources, estimator, given)
        if stage.network == ESTIMATOR:
            estimator = weights


def main() -> None:
    """Reads the options and trains. Exits with 130 if it is stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--clean", type=Path, help="folder of photos without noise")
    parser.add_argument("--pairs", type=Path, nargs=2, metavar=("NOISY", "CLEAN"))
    parser.add_argument("--cameras", type=Path, help="folder of photos as cameras write them")
    parser.add_argument("--teacher", default="nsp-light", help="denoises the photos of cameras")
    parser.add_argument("--train", type=Stage.parse, action="append", required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--crop", type=int, help="side of the crops, instead of the recipe's")
    parser.add_argument("--batch", type=int, help="crops per step, likewise")
    parser.add_argument("--learning-rate", type=float, default=StudentRecipe.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    # Training samples have few shapes, so the search for the fastest algorithm pays off.
    torch.backends.cudnn.benchmark = True
    try:
        train_all(given)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
