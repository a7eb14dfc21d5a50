"""Versions of nsp and its libraries, and the devices that it can compute on."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import torch

from nsp_cli import __version__
from nsp_cli.device import (
    choose_precision,
    describe_device,
    describe_precision,
    free_memory,
    native_precisions,
    present_devices,
)
from nsp_cli.doctor.finding import Finding, FindingStatus

LIBRARIES = (
    "torch",
    "numpy",
    "pillow",
    "tifffile",
    "imagecodecs",
    "pi-heif",
    "rawpy",
    "huggingface-hub",
    "safetensors",
)
# Enough for 24 megapixels, with a margin.
_ENOUGH_MEMORY = 1.5e9


def examine_versions() -> Iterator[Finding]:
    """Lists nsp, Python, the system and the libraries that matter in a bug report."""
    system = f"Python {platform.python_version()}, {platform.platform()}"
    yield Finding("nsp", FindingStatus.OK, f"{__version__}, {system}")
    found = {name: installed_version(name) for name in LIBRARIES}
    missing = [name for name, is_there in found.items() if is_there is None]
    if missing:
        step = "Install again: pip install --force-reinstall nsp-cli"
        yield Finding("libraries", FindingStatus.FAILED, f"missing: {', '.join(missing)}", step)
    there = ", ".join(f"{name} {found[name]}" for name in LIBRARIES if found[name])
    yield Finding("libraries", FindingStatus.OK, there)


def installed_version(name: str) -> str | None:
    """Version of a library; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def examine_devices() -> Iterator[Finding]:
    """Lists devices with their free memory and precisions."""
    for device in present_devices():
        yield _describe(device)
    if not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        yield Finding(
            "device cuda",
            FindingStatus.WARNING,
            f"there is an NVIDIA driver, but torch {torch.__version__} cannot use it",
            "Install the torch build for your GPU: https://pytorch.org/get-started",
        )


def _describe(device: torch.device) -> Finding:
    free = free_memory(device)
    automatic = choose_precision("auto", device)
    others = [describe_precision(p) for p in native_precisions(device) if p is not automatic]
    text = f"{describe_device(device)}, {free / 1e9:.1f} GB free, {describe_precision(automatic)}"
    text += f" (also {', '.join(others)})" if others else ""
    if free < _ENOUGH_MEMORY:
        return Finding(
            f"device {device}",
            FindingStatus.WARNING,
            text,
            "Close other programs. Otherwise tiles will be small, and slow.",
        )
    # "auto" does not choose what nobody has tried.
    step = "To use it: --device xpu, if denoising on it is ok in this table." if device.type == "xpu" else ""
    return Finding(f"device {device}", FindingStatus.OK, text, step)
