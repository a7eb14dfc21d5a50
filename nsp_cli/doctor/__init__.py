"""Checks that nsp works on this machine, for users and for bug reports."""

from nsp_cli.doctor.finding import Check, Finding, FindingStatus, guarded
from nsp_cli.doctor.machine import examine_devices, examine_versions
from nsp_cli.doctor.self_test import examine_denoising
from nsp_cli.doctor.surroundings import (
    examine_caches,
    examine_extras,
    examine_formats,
    examine_hub,
    examine_raw,
    examine_weights,
)

__all__ = ["CHECKS", "Check", "Finding", "FindingStatus", "guarded"]

# By the name that a finding shows if the check itself fails.
CHECKS: dict[str, Check] = {
    "versions": examine_versions,
    "devices": examine_devices,
    "weights": examine_weights,
    "denoising": examine_denoising,
    "photo formats": examine_formats,
    "camera RAW": examine_raw,
    "optional libraries": examine_extras,
    "caches": examine_caches,
    "hub": examine_hub,
}
