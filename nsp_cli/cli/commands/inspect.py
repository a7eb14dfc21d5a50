"""nsp inspect: how noisy a photo is, and what denoise would do about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options
from nsp_cli.cli.signals import ended_by_signals
from nsp_cli.errors import NspError, OutputError, PhotosFailedError

if TYPE_CHECKING:
    from nsp_cli.noise.estimation import NoiseProfile
    from nsp_cli.restoration.pipeline import RestorationPlan


@ended_by_signals()
def inspect(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Photos, folders or patterns such as '*.jpg'.")
    ],
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.png",
            help="Draw the noise map, the noise curve and its autocorrelation. Replaces an existing file.",
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
    measured, failures = _measure_all(photos, max_megapixels)
    if measured and plot is not None:
        from nsp_cli.report.plot import plot_noise

        plot_noise([(one.photo.name, one.plan.noise, one.profile) for one in measured], plot)
    if json:
        console.print_json([_as_json(one) for one in measured])
    elif measured:
        _show(measured)
    if failures:
        raise PhotosFailedError(f"{failures} of {len(photos)} photos failed. The others are shown.")


def _check_plot(plot: Path) -> None:
    from nsp_cli.report.plot import check_plotting

    if plot.suffix.lower() != ".png":
        raise OutputError(f"{plot} does not end in .png, the format of plots.", "Use a name ending in .png.")
    check_plotting()


@dataclass(frozen=True, eq=False)
class _Measured:
    """A photo, what denoise would do about it, and its noise by brightness and distance."""

    photo: Path
    plan: RestorationPlan
    profile: NoiseProfile


def _measure_all(photos: list[Path], max_megapixels: float) -> tuple[list[_Measured], int]:
    measured, failures = [], 0
    with progress_bars.progress("Measuring") as on_progress:
        for done, photo in enumerate(photos):
            try:
                measured.append(_measure(photo, max_megapixels))
            except NspError as error:
                if len(photos) == 1:
                    raise
                console.show_error(error)
                failures += 1
            on_progress(done + 1, len(photos))
    return measured, failures


def _measure(photo: Path, max_megapixels: float) -> _Measured:
    from nsp_cli.noise.estimation import estimate_noise
    from nsp_cli.ops.pixels import pixels_to_tensor
    from nsp_cli.photo import read_photo
    from nsp_cli.restoration.pipeline import plan_restoration

    pixels = pixels_to_tensor(read_photo(photo, max_megapixels=max_megapixels).seen_pixels)
    # As denoise without --model, whose network sees every pixel.
    plan = plan_restoration(pixels, is_blind_spot=False)
    return _Measured(photo, plan, estimate_noise(plan.view.picture(pixels)))


def _pass_of(plan: RestorationPlan) -> str:
    from nsp_cli.weights.manifest import load_manifest

    if plan.mode is None:
        return "do nothing: it is clean"
    return f"use {load_manifest().find('auto').name}"


def _as_json(measured: _Measured) -> dict[str, Any]:
    from nsp_cli.training.run.recipe import BlindSpotRecipe

    noise, profile = measured.plan.noise, measured.profile
    quietest, noisiest = noise.luma_range()
    return {
        "photo": str(measured.photo),
        "luma": noise.luma * 255,
        "chroma": noise.chroma * 255,
        "quietest_tenth": quietest * 255,
        "noisiest_tenth": noisiest * 255,
        "correlation_length": {
            "luma": profile.correlation_length(0),
            "chroma": profile.correlation_length(1),
        },
        "brightness": (profile.brightness * 255).tolist(),
        "levels": {
            name: (profile.levels[index] * 255).tolist()
            for index, name in enumerate(("red", "green", "blue"))
        },
        "pd_factor": BlindSpotRecipe().pd_factor,
        "mode": measured.plan.mode,
        "clean": noise.is_clean,
    }


def _show(measured: list[_Measured]) -> None:
    rows = []
    for one in measured:
        noise, profile = one.plan.noise, one.profile
        quietest, noisiest = noise.luma_range()
        rows.append(
            (
                one.photo.name,
                f"{noise.luma * 255:.1f}",
                f"{quietest * 255:.1f} to {noisiest * 255:.1f}",
                f"{noise.chroma * 255:.1f}",
                f"{profile.correlation_length(0):.1f} / {profile.correlation_length(1):.1f}",
                _pass_of(one.plan),
            )
        )
    columns = ("photo", "luma", "by place", "chroma", "correlation (px)", "nsp denoise would")
    console.table("Noise (levels of 255)", columns, rows)
