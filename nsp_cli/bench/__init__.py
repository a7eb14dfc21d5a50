"""Measures nsp on the machine it runs on: hardware, networks, files, starting."""

from __future__ import annotations

from nsp_cli.bench.files import FileTime, Start
from nsp_cli.bench.networks import PAPER, Comparison, Speed
from nsp_cli.bench.peak import Peak
from nsp_cli.bench.run import Plan, Report, run_bench

__all__ = ["PAPER", "Comparison", "FileTime", "Peak", "Plan", "Report", "Speed", "Start", "run_bench"]
