"""nsp denoise: cleaner copies of noisy photos."""

from __future__ import annotations

from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.groups import (
    CameraRawOptions,
    MachineOptions,
    NoiseOptions,
    PhotoOptions,
    ResultOptions,
    RunOptions,
)
from nsp_cli.cli.workflows.operations import denoising
from nsp_cli.cli.workflows.photos import process_photos


@grouped
def denoise(
    photos: PhotoOptions,
    noise: NoiseOptions,
    result: ResultOptions,
    raw: CameraRawOptions,
    run: RunOptions,
    machine: MachineOptions,
) -> None:
    """Denoise photos. The originals are never changed."""
    process_photos(photos, denoising(noise), result=result, raw=raw, run=run, machine=machine)
