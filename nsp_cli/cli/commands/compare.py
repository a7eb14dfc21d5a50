"""nsp compare: a page that shows versions of a photo in step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options import common as options
from nsp_cli.cli.runs.report import check_page, say_written

if TYPE_CHECKING:
    from nsp_cli.report import Version


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="The photo.", show_default=False)],
    after: Annotated[
        list[Path] | None, typer.Argument(metavar="[AFTER]...", help="Results of it.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PAGE.html",
            help="The page; replaced.",
            show_default="photo_compare.html beside it",
        ),
    ] = None,
    strengths: Annotated[
        str | None,
        typer.Option(
            metavar="0…2,…",
            callback=options.check_strengths,
            help="Denoise it with these, such as 0.5,1,1.5, and show all.",
        ),
    ] = None,
    model: options.Model = "auto",
    most_megabytes: Annotated[
        float | None,
        typer.Option(
            "--max-megabytes",
            min=1.0,
            max=400.0,
            metavar="N",
            help="Size of the page; whole photos get coarser, crops stay at 100 %.",
            show_default="18, which mail takes",
        ),
    ] = None,
    tile: options.TileSide = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    max_megapixels: options.MaxMegapixels = 250,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Show a photo and what was made of it in one HTML file: slider, flip, zoom, crops, what was measured."""
    from nsp_cli.report import MOST_MEGABYTES, PhotoComparison, read_versions, write_comparison

    if not after and strengths is None:
        raise typer.BadParameter("name a result too, or strengths to try: --strengths 0.5,1,1.5")
    page = check_page(output or before.with_name(f"{before.stem}_compare.html"))
    versions = read_versions(before, after or [], max_megapixels=max_megapixels)
    if strengths is not None:
        versions += _denoised(versions[0], options.amounts(strengths), (model, device, precision, tile))
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
        console.warn(f"no browser could be started; open {page} yourself.")


def _denoised(
    before: Version, strengths: list[float], engine: tuple[str, str, str, int | None]
) -> list[Version]:
    from nsp_cli.cli.runs.engine import load_restorer
    from nsp_cli.report import strength_versions

    restorer = load_restorer(*engine)
    with console.progress("Denoising") as on_progress:
        return strength_versions(restorer, before, strengths, on_progress)
