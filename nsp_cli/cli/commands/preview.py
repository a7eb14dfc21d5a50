"""nsp preview: a draft of several strengths on parts of a photo."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options import common as options

if TYPE_CHECKING:
    from nsp_cli.photo import Photo
    from nsp_cli.report import Preview


def preview(
    source: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="SHEET.png",
            help="The sheet to write.",
            show_default="photo_preview.png beside it",
        ),
    ] = None,
    strengths: Annotated[
        str,
        typer.Option(metavar="0…2,…", callback=options.check_strengths, help="Strengths to try."),
    ] = "0.5,1,1.5",
    model: options.Model = "auto",
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.TileSide = None,
    max_megapixels: options.MaxMegapixels = 250,
    open_result: options.Open = False,
) -> None:
    """Try strengths on parts of a photo in seconds: one picture, shown in the terminal where it can be."""
    # Read when torch is loaded. Preview is many short steps on all cores: threads that spin for the next one
    # while another program has a core made 18 seconds of 4.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nsp_cli.photo import Photo, check_writable, write_photo

    target = _check_name(output or source.with_name(f"{source.stem}_preview.png"))
    photo = _read_while_torch_loads(source, max_megapixels)
    check_writable(photo, target, overwrite=overwrite)
    draft = _draft(photo, options.amounts(strengths), (model, device, precision, tile))
    sheet = draft.sheet()
    write_photo(Photo(sheet, format="png"), target, overwrite=overwrite)
    console.say(draft.plan.describe())
    console.out.print(str(target))
    console.show_picture(target)
    if open_result and typer.launch(str(target)) != 0:
        console.warn(f"no viewer could be started; open {target} yourself.")


def _check_name(target: Path) -> Path:
    from nsp_cli.errors import OutputError

    if target.suffix.lower() != ".png":
        raise OutputError(f"{target}: previews are written as .png", "Give a name that ends so.")
    return target


def _read_while_torch_loads(source: Path, max_megapixels: float) -> Photo:
    """Reads the photo in the second that importing torch takes: decoders do not hold Python's lock."""
    from concurrent.futures import ThreadPoolExecutor

    from nsp_cli.photo import read_photo

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_photo, source, max_megapixels=max_megapixels)
        import_module("nsp_cli.report")
        return reading.result()


def _draft(photo: Photo, strengths: list[float], engine: tuple[str, str, str, int | None]) -> Preview:
    from nsp_cli.cli.runs.engine import load_restorer
    from nsp_cli.report import make_preview

    restorer = load_restorer(*engine)
    with console.progress("Denoising parts") as on_progress:
        return make_preview(restorer, photo, strengths, on_progress)
