"""nsp upscale: denoised enlargements of noisy photos."""

from __future__ import annotations

from typing import Annotated

from nsp_cli.cli.options.common import UpscaleMode
from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.groups import (
    CameraRawOptions,
    MachineOptions,
    NoiseOptions,
    PhotoOptions,
    ResultOptions,
    RunOptions,
)
from nsp_cli.cli.options.panels import flag
from nsp_cli.cli.workflows.operations import upscaling
from nsp_cli.cli.workflows.photos import process_photos


@grouped
def upscale(
    *,
    x2: Annotated[
        bool, flag("--x2", help="Double the width and height. Refuse weights that enlarge differently.")
    ] = False,
    mode: UpscaleMode = "auto",
    photos: PhotoOptions,
    noise: NoiseOptions,
    result: ResultOptions,
    raw: CameraRawOptions,
    run: RunOptions,
    machine: MachineOptions,
) -> None:
    """Denoise photos and double their width and height. The originals are never changed."""
    operation = upscaling(noise, mode, x2=x2)
    process_photos(photos, operation, result=result, raw=raw, run=run, machine=machine)
