"""Benchmarks of nsp on this machine: hardware, networks, files and start-up."""

from __future__ import annotations

from nsp_cli.bench.files import FileTime, StartTime
from nsp_cli.bench.networks import PAPER_NETWORK, NaiveComparison, Speed, works_on_pictures
from nsp_cli.bench.peak import Peak
from nsp_cli.bench.run import BenchPlan, BenchReport, run_bench

__all__ = [
    "PAPER_NETWORK",
    "BenchPlan",
    "BenchReport",
    "FileTime",
    "NaiveComparison",
    "Peak",
    "Speed",
    "StartTime",
    "run_bench",
    "works_on_pictures",
]
