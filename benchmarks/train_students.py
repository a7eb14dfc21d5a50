"""Trains students side by side from one teacher data set, on a GPU that is available for minutes.

    python benchmarks/train_students.py DATA OUT --teacher nsp-fast \
        --student nsp-fast:fast:5 --student nsp-best:best:8 --student nsp-fast-x2:fast-x2:3:nsp-fast

A student is NAME:NETWORK:MINUTES. Add :START to begin with another student's result, or with weights by name
or file. Each student has its own process, and one more process prepares the pictures for all. Weights are
also saved every half minute, so that something is left if the machine goes away.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nsp_cli import load_weights
from nsp_cli.device import choose_device
from nsp_cli.restoration import pipeline
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, load_pool
from nsp_cli.training.distillation.task import StudentTask
from nsp_cli.training.distillation.teacher_data import (
    PHOTO_CACHE_SHARE,
    TeacherDataset,
    prepare_teacher_dataset,
)
from nsp_cli.training.run.loop import TrainingProgress, run
from nsp_cli.training.run.recipe import Budget, StudentRecipe
from nsp_cli.training.run.starting_point import (
    StartingPoint,
    start_enlarging,
    start_from_file,
    start_from_random,
)
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.weights.file import save_weights
from nsp_cli.weights.resolve import resolve, sha256_of

SAVE_EVERY_SECONDS = 30
PREPARING = 8
CHANGES = ("crop", "batch", "real", "denoised", "measured", "balance", "structure")


@dataclass(frozen=True)
class Student:
    """One of the students.

    Attributes:
        name: Name of its weights.
        network: Key of `PRESETS`.
        minutes: Training time in minutes.
        start: Student or weights to begin with, by name; None for random weights.
    """

    name: str
    network: str
    minutes: float
    start: str | None

    @classmethod
    def parse(cls, text: str) -> Student:
        """Reads NAME:NETWORK:MINUTES[:START]."""
        name, network, minutes, *start = text.split(":")
        return cls(name, network, float(minutes), start[0] if start else None)


def prepare(given: argparse.Namespace) -> TeacherDataset:
    """Decodes the photos and runs the teacher on each, or finds both in the cache."""
    cache = PhotoCache(given.out / "study", share=PHOTO_CACHE_SHARE)
    pool, teacher = load_pool([given.data], cache, crop=given.crop, seed=0), resolve(given.teacher).path
    restorer = load_weights(str(teacher), device=given.device)

    def prepared(photos: PhotoPool) -> TeacherDataset:
        return prepare_teacher_dataset(
            photos,
            cache,
            lambda photo: pipeline.denoise_tensor(restorer, photo)[0],
            sha256_of(teacher),
            measures=given.measured > 0,
        )

    begin = time.monotonic()
    # The CPU does much work between two predictions, so several photos are processed at a time.
    with ThreadPoolExecutor(PREPARING) as threads:
        for _ in threads.map(
            prepared, [replace(pool, photos=pool.photos[n::PREPARING]) for n in range(PREPARING)]
        ):
            pass
    print(f"{len(pool.photos)} photos prepared after {time.monotonic() - begin:.0f} s", flush=True)
    return prepared(pool)


def train(student: Student, dataset: TeacherDataset, given: argparse.Namespace) -> None:
    """Trains one student, and prints its progress every half minute."""
    device, start = choose_device(given.device), _start(student, given.out)
    changes = {name: getattr(given, name) for name in CHANGES}
    rate = given.learning_rate / (2 if student.start else 1)
    recipe = replace(StudentRecipe(), learning_rate=rate, **changes)
    task = StudentTask(dataset, recipe, start.config.spec().scale, given.teacher)
    trainer = Trainer(
        task,
        network_name=start.network_name,
        config=start.config,
        seed=given.seed,
        device=device,
        initial=start.weights,
    )
    show = _Display(student.name, trainer, given.out)
    # A run takes minutes. Resuming it would cost more than it saves, so there is no checkpoint.
    run(trainer, Budget(minutes=student.minutes), on_progress=show)
    show.save()


def _start(student: Student, out: Path) -> StartingPoint:
    if student.start is None:
        return start_from_random(student.network)
    other = out / f"{student.start}.safetensors"
    start = start_from_file(other if other.exists() else resolve(student.start).path, student.start)
    return start_enlarging(start) if student.network.endswith("-x2") else start


class _Display:
    """Prints a line and saves the weights every half minute."""

    def __init__(self, name: str, trainer: Trainer, out: Path) -> None:
        self._name, self._trainer, self._out, self._last = name, trainer, out, time.monotonic()

    def __call__(self, now: TrainingProgress) -> None:
        if time.monotonic() - self._last < SAVE_EVERY_SECONDS:
            return
        self._last = time.monotonic()
        waited = f"{now.waited:.0%} waited"
        print(
            f"{self._name}: step {now.step}, {now.seconds:.0f} s, loss {now.loss:.5f}, {waited}", flush=True
        )
        self.save()

    def save(self) -> None:
        """Saves the running mean of the weights in float16."""
        trainer = self._trainer
        metadata: dict[str, Any] = {**trainer.metadata(), "name": self._name, "licence": "Apache-2.0"}
        save_weights(
            self._out / f"{self._name}.safetensors",
            trainer.averaged_network(),
            network_name=trainer.network_name,
            config=trainer.config,
            metadata=metadata,
            half_precision=True,
        )
        described = {"steps": trainer.step, "seconds": trainer.seconds, "loss": trainer.curve.recent}
        (self._out / f"{self._name}.json").write_text(json.dumps(described), encoding="utf-8")


def train_all(students: list[Student]) -> int:
    """Starts a process for each student. One that needs another's weights starts when they are ready."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    for student in sorted(students, key=lambda student: student.start is not None):
        if student.start in running and running[student.start].wait():
            return 1
        running[student.name] = subprocess.Popen([sys.executable, *sys.argv, "--only", student.name])
    return max(process.wait() for process in running.values())


def main() -> None:
    """Prepares the pictures once, then trains all students."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", default="nsp-fast")
    parser.add_argument("--student", type=Student.parse, action="append", required=True)
    parser.add_argument("--only", help="of these, in a process of its own")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--real", type=float, default=StudentRecipe.real)
    parser.add_argument("--denoised", type=float, default=StudentRecipe.denoised)
    parser.add_argument("--measured", type=float, default=StudentRecipe.measured)
    parser.add_argument("--balance", type=float, default=StudentRecipe.balance)
    parser.add_argument("--structure", type=float, default=StudentRecipe.structure)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    # Training samples have few shapes, so the search for the fastest algorithm pays off.
    torch.backends.cudnn.benchmark = True
    dataset = prepare(given)
    if given.only is None:
        sys.exit(train_all(given.student))
    train(next(student for student in given.student if student.name == given.only), dataset, given)


if __name__ == "__main__":
    main()
