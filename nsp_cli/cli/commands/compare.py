"""nsp compare: a page that shows versions of a photo side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options
from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.groups import MachineOptions
from nsp_cli.cli.options.panels import flag
from nsp_cli.cli.signals import ended_by_signals
from nsp_cli.cli.workflows.pages import check_page, say_written

if TYPE_CHECKING:
    from nsp_cli.photo import Mosaic
    from nsp_cli.report import Version


@grouped
@ended_by_signals()
def compare(
    *,
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="The photo.")],
    after: Annotated[
        list[Path] | None, typer.Argument(metavar="AFTER", help="Results to compare it with.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PAGE.html",
            help="Page to write. Replaces an earlier page.",
            show_default="BEFORE_compare.html next to the photo",
        ),
    ] = None,
    strengths: Annotated[
        str | None,
        typer.Option(
            "--strengths",
            metavar="N,N,…",
            callback=options.check_strengths,
            help="Denoise the photo with each of these strengths, such as 0.5,1,1.5, and show all results.",
        ),
    ] = None,
    keep_hot_pixels: options.KeepHotPixels = False,
    model: options.Model = "auto",
    most_megabytes: Annotated[
        float | None,
        typer.Option(
            "--max-megabytes",
            min=1,
            max=400,
            metavar="N",
            help="Largest size of the page. A lower limit shows whole photos at a lower resolution.",
            show_default="18, which fits into an e-mail",
        ),
    ] = None,
    max_megapixels: options.MaxMegapixels = 250,
    open_page: Annotated[bool, flag("--open", help="Open the page in your browser.")] = False,
    machine: MachineOptions,
) -> None:
    """Compare a photo with its results in one HTML page.

    The page has a slider, zoom, crops at 100 % and the measured noise. You can send it to others.
    """
    from nsp_cli.report import MOST_MEGABYTES, PhotoComparison, read_versions, write_comparison

    if not after and strengths is None:
        raise typer.BadParameter("Name a result as well, or strengths to try: --strengths 0.5,1,1.5.")
    page = check_page(output or before.with_name(f"{before.stem}_compare.html"))
    versions = read_versions(before, after or [], max_megapixels=max_megapixels)
    if strengths is not None:
        versions += _denoised(
            before,
            max_megapixels,
            versions[0],
            strengths,
            model,
            machine,
            keep_hot_pixels=keep_hot_pixels,
        )
    written = write_comparison(
        page,
        [PhotoComparison(before.name, versions)],
        1,
        title="nsp compare",
        most_megabytes=most_megabytes or MOST_MEGABYTES,
    )
    console.out.print(str(page))
    say_written(page, written)
    if open_page and typer.launch(str(page)) != 0:
        console.warn(f"No browser could be started. Open {page} yourself.")


def _read_mosaic(photo: Path, max_megapixels: float) -> Mosaic | None:
    """What a Bayer sensor saw; None for other photos."""
    from nsp_cli.photo import RAW_SUFFIXES, read_photo

    if photo.suffix.lower() not in RAW_SUFFIXES:
        return None
    return read_photo(photo, max_megapixels=max_megapixels, keep_mosaic=True).mosaic


def _denoised(
    photo: Path,
    max_megapixels: float,
    before: Version,
    asked: str,
    model: str,
    machine: MachineOptions,
    *,
    keep_hot_pixels: bool,
) -> list[Version]:
    from nsp_cli.cli.workflows.loading import load_restorer, raw_model_of
    from nsp_cli.report import raw_strength_versions, strength_versions

    strengths, raw_model = options.parse_strengths(asked), raw_model_of(model)
    mosaic = _read_mosaic(photo, max_megapixels) if raw_model else None
    restorer = load_restorer(model if mosaic is None else raw_model, machine, is_raw=mosaic is not None)
    with progress_bars.progress("Denoising") as on_progress:
        if mosaic is not None:
            return raw_strength_versions(
                restorer, before, mosaic, strengths, on_progress, keep_hot_pixels=keep_hot_pixels
            )
        return strength_versions(restorer, before, strengths, on_progress, keep_hot_pixels=keep_hot_pixels)
