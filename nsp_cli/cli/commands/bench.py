"""nsp bench: how fast this machine is, and how much of its speed nsp uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options

if TYPE_CHECKING:
    from nsp_cli.bench import BenchReport, NaiveComparison, Peak, Speed

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="Weights to measure, or dbsn for the paper's network. Can be repeated.",
        show_default="all bundled weights and dbsn",
    ),
]
Megapixels = Annotated[
    list[float] | None,
    typer.Option(
        "--megapixels",
        min=0.01,
        metavar="N",
        help="Size of the generated photo. Can be repeated.",
        show_default="1",
    ),
]


def bench(
    models: Models = None,
    megapixels: Megapixels = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
) -> None:
    """Measure the speed of nsp on this machine. Takes a few minutes.

    Measures the hardware, the networks, reading and writing files, and starting the program.
    """
    from dataclasses import asdict

    from nsp_cli.bench import PAPER_NETWORK, BenchPlan, run_bench
    from nsp_cli.restoration.execution import Execution

    subjects = models or [*_bundled(), PAPER_NETWORK]
    plan = BenchPlan(subjects, megapixels or [1.0], Execution.choose(device, precision))
    with progress_bars.progress("Measuring") as on_progress:
        report = run_bench(plan, on_progress)
    if json:
        console.print_json(asdict(report))
    else:
        _show(report)


def _bundled() -> list[str]:
    """Names of the bundled weights that work on pictures."""
    from nsp_cli.bench import works_on_pictures
    from nsp_cli.weights.file import describe_weights
    from nsp_cli.weights.manifest import load_manifest

    manifest = load_manifest()
    bundled = [entry for entry in manifest.entries.values() if entry.bundled]
    return [
        entry.name
        for entry in bundled
        if works_on_pictures(describe_weights(manifest.folder / entry.file).config.spec())
    ]


def _show(report: BenchReport) -> None:
    console.table(
        f"nsp {report.nsp}, torch {report.torch}, {report.system}, {report.device}",
        ("precision", "matrix product (TFLOP/s)", "copy (GB/s)"),
        [_peak_row(peak) for peak in report.peaks],
    )
    console.table(
        f"Networks in {report.precision}",
        ("weights", "photo (MP)", "seconds", "MP/s", "of the matrix peak", "memory (GB)"),
        [_speed_row(speed) for speed in report.speeds],
    )
    console.table(
        "Compared with a naive float32 pass over the whole picture",
        (
            "weights",
            "photo (MP)",
            "naive (s)",
            "times faster",
            "float32 differs",
            "PSNR to it",
            "tiles differ",
        ),
        [_comparison_row(comparison) for comparison in report.comparisons],
    )
    console.table(
        "Files",
        ("format", "photo (MP)", "read (s)", "write (s)"),
        [
            (file.suffix, f"{file.megapixels:.1f}", f"{file.decode:.2f}", f"{file.encode:.2f}")
            for file in report.files
        ],
    )
    starts = [(start.command, f"{start.seconds:.2f}") for start in report.starts]
    console.table("Whole commands", ("command", "seconds"), starts)


def _peak_row(peak: Peak) -> tuple[str, ...]:
    return peak.precision, f"{peak.matrix_flops / 1e12:.2f}", f"{peak.copy_bytes / 1e9:.1f}"


def _speed_row(speed: Speed) -> tuple[str, ...]:
    memory = "–" if speed.memory_bytes is None else f"{speed.memory_bytes / 1e9:.2f}"
    return (
        speed.network,
        f"{speed.megapixels:.1f}",
        f"{speed.seconds:.2f}",
        f"{speed.megapixels_per_second:.2f}",
        f"{speed.share_of_peak:.0%}",
        memory,
    )


def _comparison_row(comparison: NaiveComparison) -> tuple[str, ...]:
    return (
        comparison.network,
        f"{comparison.megapixels:.1f}",
        f"{comparison.naive_seconds:.2f}",
        ", ".join(f"{precision} {times:.1f}" for precision, times in comparison.times_faster.items()),
        f"{comparison.float32_difference:.1e}",
        f"{comparison.decibels:.1f} dB",
        f"{comparison.tiles_difference:.1e}",
    )
