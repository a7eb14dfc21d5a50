"""nsp preview: several strengths tried on parts of a photo."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options
from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.groups import MachineOptions
from nsp_cli.cli.signals import ended_by_signals

if TYPE_CHECKING:
    from nsp_cli.photo import Photo
    from nsp_cli.report import Preview


@grouped
@ended_by_signals()
def preview(
    *,
    source: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo to try strengths on.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="SHEET.png",
            help="Picture to write.",
            show_default="PHOTO_preview.png next to the photo",
        ),
    ] = None,
    strengths: options.Strengths = "0.5,1,1.5",
    keep_hot_pixels: options.KeepHotPixels = False,
    model: options.Model = "auto",
    overwrite: options.Overwrite = False,
    max_megapixels: options.MaxMegapixels = 250,
    open_result: options.OpenResult = False,
    machine: MachineOptions,
) -> None:
    """Try several strengths on parts of a photo, in seconds.

    Writes one picture that shows them side by side. Terminals that can show pictures show it too.
    """
    # Read when torch is loaded. Preview is many short steps on all cores. While another program uses a core,
    # threads that spin until the next step turned 4 seconds into 18.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nsp_cli.cli.workflows.loading import raw_model_of
    from nsp_cli.photo import Photo, check_writable, write_photo

    target = _check_name(output or source.with_name(f"{source.stem}_preview.png"))
    photo = _read_while_torch_loads(source, max_megapixels, keep_mosaic=bool(raw_model_of(model)))
    check_writable(photo, target, overwrite=overwrite)
    draft = _draft(photo, options.parse_strengths(strengths), model, machine, keep_hot_pixels=keep_hot_pixels)
    sheet = draft.sheet()
    write_photo(Photo(sheet, format="png"), target, overwrite=overwrite)
    console.say(draft.noise)
    console.out.print(str(target))
    console.show_picture(target)
    if open_result and typer.launch(str(target)) != 0:
        console.warn(f"No viewer could be started. Open {target} yourself.")


def _check_name(target: Path) -> Path:
    from nsp_cli.errors import OutputError

    if target.suffix.lower() != ".png":
        raise OutputError(f"{target} is not the name of a PNG file.", "Use a name ending in .png.")
    return target


def _read_while_torch_loads(source: Path, max_megapixels: float, *, keep_mosaic: bool) -> Photo:
    """The photo, read while torch is imported: decoders do not hold Python's lock."""
    from concurrent.futures import ThreadPoolExecutor

    from nsp_cli.photo import read_photo

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_photo, source, max_megapixels=max_megapixels, keep_mosaic=keep_mosaic)
        import_module("nsp_cli.report")
        return reading.result()


def _draft(
    photo: Photo, strengths: list[float], model: str, machine: MachineOptions, *, keep_hot_pixels: bool
) -> Preview:
    from nsp_cli.cli.workflows.loading import load_restorer, raw_model_of
    from nsp_cli.report import make_preview, make_raw_preview

    is_mosaic = photo.mosaic is not None
    restorer = load_restorer(raw_model_of(model) if is_mosaic else model, machine, is_raw=is_mosaic)
    with progress_bars.progress("Denoising parts") as on_progress:
        make = make_raw_preview if is_mosaic else make_preview
        return make(restorer, photo, strengths, on_progress, keep_hot_pixels=keep_hot_pixels)
