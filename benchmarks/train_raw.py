"""Teaches the RAW network from folders of sharp photos without noise. You can stop and restart it.

    python benchmarks/train_raw.py PHOTOS... -o nsp-raw.safetensors --minutes 90 [--from nsp-fast]

Photos whose name has a checksum (CRC-32) that is a multiple of eight are left out: `simulated_raw.py` scores
on them. The run starts from a student's weights, whose body is the same, or from a RAW network's. The same
command continues it.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import torch

from nsp_cli.device import choose_device, describe_device
from nsp_cli.networks.bayer import BayerConfig, from_student
from nsp_cli.training.data.clean_photos import with_halves
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import TrainingPhoto, load_pool
from nsp_cli.training.raw.task import RawTask
from nsp_cli.training.run.loop import TrainingProgress, run
from nsp_cli.training.run.recipe import Budget, RawRecipe
from nsp_cli.training.run.starting_point import StartingPoint, start_from_file
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.weights.file import save_weights
from nsp_cli.weights.resolve import resolve

PRINT_EVERY_SECONDS = 30
HELD_OUT = 8


def is_held_out(path: Path) -> bool:
    """Whether a photo is kept for scoring."""
    return zlib.crc32(path.name.encode()) % HELD_OUT == 0


def read_photos(folders: list[Path], output: Path, crop: int) -> tuple[TrainingPhoto, ...]:
    """Decodes the photos to train on, and halves them."""
    cache = PhotoCache(output)
    pool = load_pool(folders, cache, crop=crop, seed=0)
    kept = tuple(photo for photo in pool.photos if not is_held_out(photo.source))
    print(f"{len(kept)} photos to train on, {len(pool.photos) - len(kept)} held out", flush=True)
    photos = with_halves(replace(pool, photos=kept), cache)
    return tuple(photo for photo in photos if photo.side >= crop)


def start_from(name: str) -> StartingPoint:
    """Starting point from weights by name or file; "nothing" is random weights."""
    if name == "nothing":
        return StartingPoint("bayer", BayerConfig(), None, "random weights")
    start = start_from_file(resolve(name).path, name)
    if start.config.spec().is_raw:
        return start
    return StartingPoint("bayer", BayerConfig(), from_student(start.weights or {}), name)


def train(given: argparse.Namespace) -> None:
    """Trains the network, or continues, and saves the running mean of its weights in float16."""
    start, device = start_from(given.start), choose_device(given.device)
    recipe = RawRecipe(crop=given.crop, batch=given.batch, learning_rate=given.learning_rate)
    task = RawTask(read_photos(given.folders, given.output, given.crop), recipe)
    trainer = Trainer(
        task,
        network_name=start.network_name,
        config=start.config,
        seed=given.seed,
        device=device,
        initial=start.weights,
    )
    checkpoint = given.output.with_name(given.output.name + ".checkpoint")
    if checkpoint.exists():
        trainer.resume(checkpoint)
    print(f"on {describe_device(device)} from step {trainer.step}", flush=True)

    def save() -> None:
        metadata = {**trainer.metadata(), "name": given.output.stem, "licence": "Apache-2.0"}
        save_weights(
            given.output,
            trainer.averaged_network(),
            network_name=trainer.network_name,
            config=trainer.config,
            metadata=metadata,
            half_precision=True,
        )

    run(trainer, Budget(minutes=given.minutes), checkpoint=checkpoint, on_progress=_Display(), on_save=save)


class _Display:
    """Prints a line every half minute."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, now: TrainingProgress) -> None:
        if time.monotonic() - self._last < PRINT_EVERY_SECONDS:
            return
        self._last = time.monotonic()
        line = f"step {now.step}, {now.left:.0f} s left, loss {now.loss:.4f}, {now.waited:.0%} waited"
        print(line, flush=True)


def main() -> None:
    """Reads the options and trains. Exits with 130 if it is stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--from", dest="start", default="nsp-fast", help="weights, or nothing")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--crop", type=int, default=RawRecipe.crop)
    parser.add_argument("--batch", type=int, default=RawRecipe.batch)
    parser.add_argument("--learning-rate", type=float, default=RawRecipe.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True  # batches have one shape
    try:
        train(given)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
