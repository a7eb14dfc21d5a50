"""Runs all measurements and reports progress."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nsp_cli import __version__
from nsp_cli.bench.files import FileTime, StartTime, measure_files, measure_starts
from nsp_cli.bench.networks import (
    NaiveComparison,
    Speed,
    Subject,
    compare_with_naive,
    load_subject,
    measure_speed,
)
from nsp_cli.bench.peak import Peak, measure_peaks
from nsp_cli.device import describe_device, describe_precision
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.execution import Execution

# Size of the photo for the comparison with naive inference and for files.
_COMPARED_MEGAPIXELS = 1.0
# Cost of the measurements, in millions of multiplications; only for progress.
_FIXED_COST, _NAIVE_COST = 1_000_000, 8


@dataclass(frozen=True)
class BenchPlan:
    """What to measure.

    Attributes:
        models: Names of weights, or "dbsn" for the paper's network with random weights.
        megapixels: Sizes of photos.
        execution: Device and precision.
    """

    models: Sequence[str]
    megapixels: Sequence[float]
    execution: Execution


@dataclass(frozen=True)
class BenchReport:
    """All measurements, and the machine they were made on."""

    nsp: str
    torch: str
    system: str
    device: str
    precision: str
    peaks: list[Peak]
    speeds: list[Speed]
    comparisons: list[NaiveComparison]
    files: list[FileTime]
    starts: list[StartTime]


def run_bench(plan: BenchPlan, on_progress: OnProgress | None = None) -> BenchReport:
    """Runs all measurements of a plan.

    Args:
        plan: What to measure.
        on_progress: Called with the work done and in total, in no particular unit.

    Raises:
        WeightsError: Weights are unknown or cannot be loaded.
        DeviceError: Memory is full even at the smallest tile.
    """
    subjects, execution = [load_subject(name) for name in plan.models], plan.execution
    progress = _Progress(_total_cost(subjects, plan.megapixels), on_progress)
    peaks = measure_peaks(execution.device)
    starts, files = measure_starts(_COMPARED_MEGAPIXELS), measure_files(_COMPARED_MEGAPIXELS)
    progress.add(_FIXED_COST)
    speeds, comparisons = [], []
    precision = describe_precision(execution.precision)
    peak = max((peak for peak in peaks if peak.precision == precision), default=peaks[0], key=_matrix)
    for subject in subjects:
        comparisons.append(compare_with_naive(subject, _COMPARED_MEGAPIXELS, execution))
        progress.add(_comparing_cost(subject))
        for megapixels in plan.megapixels:
            speeds.append(measure_speed(subject, megapixels, execution, peak.matrix_flops))
            progress.add(_cost(subject, megapixels))
    return BenchReport(
        nsp=__version__,
        torch=torch.__version__,
        system=f"{platform.system()} {platform.machine()}",
        device=describe_device(execution.device),
        precision=precision,
        peaks=peaks,
        speeds=speeds,
        comparisons=comparisons,
        files=files,
        starts=starts,
    )


class _Progress:
    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self._done, self._total, self._on_progress = 0, total, on_progress
        self.add(0)

    def add(self, cost: int) -> None:
        self._done += cost
        if self._on_progress:
            self._on_progress(self._done, self._total)


def _matrix(peak: Peak) -> float:
    return peak.matrix_flops


def _cost(subject: Subject, megapixels: float) -> int:
    return int(subject.multiplications * megapixels)


def _comparing_cost(subject: Subject) -> int:
    return _NAIVE_COST * _cost(subject, _COMPARED_MEGAPIXELS)


def _total_cost(subjects: Sequence[Subject], sizes: Sequence[float]) -> int:
    costs = [_comparing_cost(subject) for subject in subjects]
    costs += [_cost(subject, size) for subject in subjects for size in sizes]
    return _FIXED_COST + sum(costs)
