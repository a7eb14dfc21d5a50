"""nsp inspect: how noisy a photo is, and what denoise would do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options
from nsp_cli.errors import NspError, OutputError, PhotosFailedError

if TYPE_CHECKING:
    from nsp_cli.restoration.pipeline import RestorationPlan


def inspect(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Photos, folders or patterns such as '*.jpg'.")
    ],
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.png",
            help="Draw the noise curve and its autocorrelation. Replaces an existing file.",
        ),
    ] = None,
    json: options.Json = False,
    max_megapixels: options.MaxMegapixels = 250,
) -> None:
    """Measure the noise of photos. Nothing is changed."""
    from nsp_cli.batch import Selection, find_photos

    if plot is not None:
        _check_plot(plot)
    photos = [photo.path for photo in find_photos(Selection(tuple(photos)))]
    if plot is not None and any(plot.absolute() == photo.absolute() for photo in photos):
        raise OutputError(f"{plot} is one of the photos.", "Choose another name for the plot.")
    plans, failures = _measure_all(photos, max_megapixels)
    if plans and plot is not None:
        from nsp_cli.report.plot import plot_noise

        plot_noise([(photo.name, plan.noise) for photo, plan in plans], plot)
    if json:
        console.print_json([_as_json(photo, plan) for photo, plan in plans])
    elif plans:
        _show(plans)
    if failures:
        raise PhotosFailedError(f"{failures} of {len(photos)} photos failed. The others are shown.")


def _check_plot(plot: Path) -> None:
    from nsp_cli.report.plot import check_plotting

    if plot.suffix.lower() != ".png":
        raise OutputError(f"{plot} does not end in .png, the format of plots.", "Use a name ending in .png.")
    check_plotting()


def _measure_all(photos: list[Path], max_megapixels: float) -> tuple[list[tuple[Path, RestorationPlan]], int]:
    from nsp_cli.ops.pixels import pixels_to_tensor
    from nsp_cli.photo import read_photo
    from nsp_cli.restoration.pipeline import plan_restoration

    plans, failures = [], 0
    with progress_bars.progress("Measuring") as on_progress:
        for done, photo in enumerate(photos):
            try:
                pixels = read_photo(photo, max_megapixels=max_megapixels).seen_pixels
                plans.append((photo, plan_restoration(pixels_to_tensor(pixels))))
            except NspError as error:
                if len(photos) == 1:
                    raise
                console.show_error(error)
                failures += 1
            on_progress(done + 1, len(photos))
    return plans, failures


def _pass_of(plan: RestorationPlan) -> str:
    from nsp_cli.weights.manifest import load_manifest

    if plan.mode is None:
        return "do nothing: it is clean"
    return f"use {load_manifest().find('auto').name}"


def _as_json(photo: Path, plan: RestorationPlan) -> dict[str, Any]:
    from nsp_cli.training.run.recipe import BlindSpotRecipe

    noise = plan.noise
    return {
        "photo": str(photo),
        "luma": min(noise.luma, noise.most_luma) * 255,
        "chroma": noise.chroma * 255,
        "correlation_length": {"luma": noise.correlation_length(0), "chroma": noise.correlation_length(1)},
        "brightness": (noise.brightness * 255).tolist(),
        "levels": {
            name: (noise.levels[index] * 255).tolist() for index, name in enumerate(("red", "green", "blue"))
        },
        "pd_factor": BlindSpotRecipe().pd_factor,
        "mode": plan.mode,
        "clean": noise.is_clean,
    }


def _show(plans: list[tuple[Path, RestorationPlan]]) -> None:
    from nsp_cli.training.run.recipe import BlindSpotRecipe

    rows = [
        (
            photo.name,
            f"{min(plan.noise.luma, plan.noise.most_luma) * 255:.1f}",
            f"{plan.noise.chroma * 255:.1f}",
            f"{plan.noise.correlation_length(0):.1f} / {plan.noise.correlation_length(1):.1f}",
            str(BlindSpotRecipe().pd_factor),
            _pass_of(plan),
        )
        for photo, plan in plans
    ]
    columns = ("photo", "luma", "chroma", "correlation (px)", "PD factor", "nsp denoise would")
    console.table("Noise (levels of 255)", columns, rows)
