"""Measures everything that only a GPU can show, in one call of a few minutes. Needs CUDA.

    python benchmarks/gpu.py [--quick] [--part NAME …] [--output gpu.json]

The parts are: peaks of a matrix product and a copy; each network's speed, share of the peak and peak memory
at 24 megapixels, for several core sizes and with its layers one by one; 24 megapixels end to end; training's
share of the peak; and whether the automatic core stays within 4, 8 and 24 GB.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from nsp_cli.bench.networks import PAPER_NETWORK, Subject, load_subject, measure_speed
from nsp_cli.bench.peak import best_seconds, measure_peaks
from nsp_cli.bench.photos import synthetic_photo
from nsp_cli.bench.timing import PeakMemory, alternated
from nsp_cli.device import describe_precision
from nsp_cli.networks.dbsn import DbsnConfig, fused
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.restoration.recovery import remove_leftover
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import load_pool
from nsp_cli.training.run.prefetching import Prefetcher
from nsp_cli.training.run.recipe import CUDA_BATCH, BlindSpotRecipe
from nsp_cli.training.run.trainer import Trainer

DEVICE = torch.device("cuda")
NETWORKS = (PAPER_NETWORK, "nsp-fast", "nsp-fast-x2", "nsp-light")
CORES = (1024, 1536, 2048, 3072)
GIGABYTES = (4, 8, 24)
TRAINING_STEPS = 20


def networks_by_core(megapixels: float, peak: float) -> list[dict[str, object]]:
    """Measures each network at each core size, and at the automatic one."""
    rows = []
    for subject in map(load_subject, NETWORKS):
        for core in (None, *CORES):
            execution = Execution(DEVICE, Execution.choose("cuda").precision, core)
            speed = measure_speed(subject, megapixels, execution, peak)
            rows.append({"core": core or "automatic", **vars(speed)})
            print(rows[-1], flush=True)
    return rows


def end_to_end(megapixels: float) -> dict[str, float]:
    """Times the default pipeline, and the network's part of it."""
    photo = synthetic_photo(megapixels)
    runs: dict[str, Callable[[], object]] = {}
    for subject in map(load_subject, ("nsp-fast", "nsp-light", PAPER_NETWORK)):
        restorer = Restorer(subject.network, subject.spec, Execution.choose("cuda"))
        runs[subject.name] = partial(pipeline.denoise_tensor, restorer, photo)
        runs[f"{subject.name}, network"] = _direct_pass(restorer, photo)
    for run in runs.values():
        run()
    return alternated(runs)


def recovery_difference() -> dict[str, float]:
    """How detail recovery on a GPU differs from the CPU: share of values, and the largest difference."""
    photo = synthetic_photo(1.0)
    noise = map_noise(photo)
    on_cpu, on_gpu = (
        remove_leftover(photo, noise, device=torch.device(name)).int() for name in ("cpu", "cuda")
    )
    difference = (on_cpu - on_gpu).abs()
    return {"share": float((difference > 0).float().mean()), "most": float(difference.max())}


def convolutions(peak: float) -> dict[str, float]:
    """Share of the peak of a 3×3 convolution, by dilation, with cuDNN's default and its best algorithm."""
    shares = {}
    weight = torch.randn(128, 128, 3, 3, device=DEVICE, dtype=torch.bfloat16)
    for is_tried in (False, True):
        torch.backends.cudnn.benchmark = is_tried
        for dilation, batch in ((1, 1), (2, 1), (3, 1), (1, 4)):
            x = torch.randn(batch, 128, 1024, 1024, device=DEVICE, dtype=torch.bfloat16)
            x = x.contiguous(memory_format=torch.channels_last)
            run = partial(functional.conv2d, x, weight, padding=dilation, dilation=dilation)
            taken = best_seconds(run, DEVICE)
            shares[f"dilation {dilation}, batch {batch}, tried {is_tried}"] = (
                2 * 9 * 128**2 * batch * 2**20 / taken / peak
            )
    torch.backends.cudnn.benchmark = False
    return shares


def _direct_pass(restorer: Restorer, photo: torch.Tensor) -> Callable[[], object]:
    """One pass of the network alone."""
    noise = map_noise(photo) if restorer.spec.is_noise_conditioned else None
    return partial(restorer.denoise, photo, mode="direct", noise=noise)


def fused_and_not(megapixels: float) -> dict[str, float]:
    """Times DBSNs with fused layers and with layers one by one, in turn."""
    photo = synthetic_photo(megapixels)
    runs: dict[str, Callable[[], object]] = {}
    for subject in map(load_subject, (PAPER_NETWORK, "nsp-light")):
        restorer = Restorer(subject.network, subject.spec, Execution.choose("cuda"))
        runs[f"{subject.name}, fused"] = run = _direct_pass(restorer, photo)
        runs[f"{subject.name}, one by one"] = partial(_one_by_one, run)
    for run in runs.values():
        run()
    return alternated(runs)


def _one_by_one(run: Callable[[], object]) -> None:
    with patch.object(fused, "can_fuse", lambda *_: False):
        run()


def training(subject: Subject, peak: float) -> dict[str, float]:
    """Trains a full DBSN with the default recipe on a synthetic photo.

    Returns:
        The share of the peak; the milliseconds of a step; of these the device's own; and the share of the
        time in which the device waited for crops.
    """
    torch.backends.cudnn.benchmark = True
    recipe = replace(BlindSpotRecipe(), batch=CUDA_BATCH)
    with TemporaryDirectory() as folder:
        trainer = _trainer(recipe, Path(folder))
        with Prefetcher(trainer.draw, 0, ahead=8, threads=4) as crops:
            _steps(trainer, crops, 3)
            waited = crops.waited
            taken = _steps(trainer, crops, TRAINING_STEPS)
            waited = (crops.waited - waited) / taken
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                _steps(trainer, crops, TRAINING_STEPS)
    own = sum(event.self_device_time_total for event in profiler.key_averages()) / 1e3 / TRAINING_STEPS
    pixels = recipe.batch * (recipe.crop // recipe.pd_factor) ** 2 * TRAINING_STEPS
    # The backward pass costs twice as much as the forward pass.
    share = 3 * 2 * subject.multiplications * pixels / taken / peak
    return {"share": share, "ms": 1e3 * taken / TRAINING_STEPS, "device's ms": own, "waited": waited}


def _trainer(recipe: BlindSpotRecipe, folder: Path) -> Trainer:
    photo = synthetic_photo(16.0).permute(1, 2, 0).numpy()
    Image.fromarray(photo).save(folder / "photo.png", compress_level=1)
    config, cache = DbsnConfig(), PhotoCache(folder, root=folder)
    pool = load_pool([folder], cache, crop=recipe.crop, seed=0)
    task = BlindSpotTask(pool, recipe, config.spec())
    trainer = Trainer(task, network_name="dbsn", config=config, seed=0, device=DEVICE)
    trainer.compile()
    return trainer


def _steps(trainer: Trainer, crops: Prefetcher[Any], count: int) -> float:
    """Runs some steps and returns how many seconds they took."""
    begin = time.perf_counter()
    for _ in range(count):
        trainer.train_step(crops.take(), 0.1)
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def automatic_within(gigabytes: float, megapixels: float) -> dict[str, object]:
    """Tries the automatic core with the memory of smaller cards."""
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * 2**30 / total))
    outcome: dict[str, object] = {"gigabytes": gigabytes}
    try:
        for subject in map(load_subject, NETWORKS):
            memory = PeakMemory(DEVICE)
            restorer = Restorer(subject.network, subject.spec, Execution.choose("cuda"))
            _direct_pass(restorer, synthetic_photo(megapixels))()
            outcome[subject.name] = memory.peak_bytes()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return outcome


def main() -> None:
    """Runs all parts and writes what they measured, even if a part fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="6 megapixels instead of 24")
    parser.add_argument("--part", action="append", help="only this; may be repeated")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("no CUDA device here")
    megapixels = 6.0 if given.quick else 24.0
    peaks = measure_peaks(DEVICE)
    automatic = describe_precision(Execution.choose("cuda").precision)
    peak = next(found.matrix_flops for found in peaks if found.precision == automatic)
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name(DEVICE),
        "peaks": [vars(found) for found in peaks],
    }
    print(report, flush=True)
    parts: dict[str, Callable[[], object]] = {
        "convolutions": lambda: convolutions(peak),
        "recovery_difference": recovery_difference,
        "end_to_end": lambda: end_to_end(megapixels),
        "networks": lambda: networks_by_core(megapixels, peak),
        "fused": lambda: fused_and_not(megapixels),
        "training": lambda: training(load_subject(PAPER_NETWORK), peak),
        "within": lambda: [automatic_within(size, megapixels) for size in GIGABYTES],
    }
    for name, part in parts.items():
        if given.part and name not in given.part:
            continue
        try:
            report[name] = part()
        except Exception:  # a machine lent by the minute should try the rest
            report[name] = traceback.format_exc()
        given.output.write_text(json.dumps(report, indent=2), encoding="utf-8")
        print(name, report[name], flush=True)


if __name__ == "__main__":
    main()
