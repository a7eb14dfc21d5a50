"""Trains weights worth bundling, and scores them. You can stop and restart it at any time.

    python benchmarks/train_weights.py DATA OUT --network dbsn --minutes 600 \
        --score phone NOISY CLEAN --score dslr NOISY CLEAN [options of nsp train …]

If a machine is available for a few minutes at a time, run it under `timeout 540`. The run is saved, and the
same command continues it. At the end OUT holds the weights, their page and card, a copy in float16, and a
JSON file of scores for each set, once with --plain and once with default options.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean

from nsp_cli.cli import main as nsp
from nsp_cli.weights.file import load_network, save_weights


def train(data: Path, weights: Path, given: argparse.Namespace, options: list[str]) -> None:
    """Starts or continues the run. Exits with nsp's exit code if the run does not finish."""
    checkpoint = weights.with_name(weights.name + ".checkpoint")
    start = ["--from", "nothing", "--network", given.network]
    arguments = [data, "-o", weights, *start, "--minutes", given.minutes, "--overwrite", *options]
    code = nsp(["train", *map(str, arguments), *(["--resume"] if checkpoint.exists() else [])])
    if code:
        sys.exit(code)


def halve(weights: Path) -> Path:
    """Writes a float16 copy."""
    network, info = load_network(weights)
    half = weights.with_name(f"{weights.stem}-float16.safetensors")
    save_weights(
        half,
        network,
        network_name=info.network,
        config=info.config,
        metadata=dict(info.metadata),
        half_precision=True,
    )
    return half


def score(weights: Path, name: str, noisy: str, clean: str, *, plain: bool) -> float:
    """Mean PSNR over a set. Writes the scores, unless they are newer than the weights."""
    target = weights.with_name(f"{weights.stem}_{name}{'_plain' if plain else ''}.json")
    if not target.exists() or target.stat().st_mtime < weights.stat().st_mtime:
        command = [sys.executable, "-m", "nsp_cli", "evaluate", noisy, clean, "-m", str(weights), "--json"]
        done = subprocess.run(
            command + ["--plain"] * plain, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        target.write_text(done.stdout, encoding="utf-8")
    images = json.loads(target.read_text(encoding="utf-8"))["images"]
    return fmean(image["denoised"]["psnr"] for image in images)


def main() -> None:
    """Trains, halves and scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", choices=("light", "dbsn", "tbsn"), default="light")
    parser.add_argument("--minutes", default="600")
    parser.add_argument("--score", nargs=3, action="append", default=[], metavar=("NAME", "NOISY", "CLEAN"))
    given, options = parser.parse_known_args()
    weights = given.out / f"nsp-{given.network}.safetensors"
    if not weights.exists():
        train(given.data, weights, given, options)
    for path in (weights, halve(weights)):
        for name, noisy, clean in given.score:
            values = [score(path, name, noisy, clean, plain=plain) for plain in (True, False)]
            print(f"{path.stem} {name}: --plain {values[0]:.3f} dB, default {values[1]:.3f} dB", flush=True)


if __name__ == "__main__":
    main()
