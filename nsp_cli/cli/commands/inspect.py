"""nsp inspect: how noisy a photo is, and what denoise would do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console
from nsp_cli.cli.options import common as options
from nsp_cli.cli.signals import ended_by_signals
from nsp_cli.cli.workflows.inspection import Measured, MeasuredSensor, measure_all
from nsp_cli.errors import OutputError, PhotosFailedError

if TYPE_CHECKING:
    from nsp_cli.restoration.planning import RestorationPlan

# About what full-frame sensors have: 4,000 electrons at white at ISO 1600.
_ISO_TIMES_ELECTRONS = 1600 * 4000


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
    developed, sensors, failures = measure_all(photos, max_megapixels)
    if plot is not None and (developed or sensors):
        from nsp_cli.report.plot import plot_noise

        pictures = [(one.photo.name, one.plan.noise, one.profile) for one in developed]
        plot_noise(pictures, [(one.photo.name, one.noise, one.stated) for one in sensors], plot)
    if json:
        measured: list[Measured | MeasuredSensor] = [*developed, *sensors]
        measured.sort(key=lambda one: photos.index(one.photo))
        console.print_json([one.as_json() for one in measured])
    else:
        _show(developed)
        _show_sensors(sensors)
    if failures:
        raise PhotosFailedError(f"{failures} of {len(photos)} photos failed. The others are shown.")


def _check_plot(plot: Path) -> None:
    from nsp_cli.report.plot import check_plotting

    if plot.suffix.lower() != ".png":
        raise OutputError(f"{plot} does not end in .png, the format of plots.", "Use a name ending in .png.")
    check_plotting()


def _pass_of(plan: RestorationPlan) -> str:
    from nsp_cli.weights.manifest import load_manifest

    if plan.mode is None:
        return "do nothing: it is clean"
    return f"use {load_manifest().find('auto').name}"


def _show(measured: list[Measured]) -> None:
    if not measured:
        return
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


def _show_sensors(measured: list[MeasuredSensor]) -> None:
    if not measured:
        return
    rows = [
        (
            one.photo.name,
            *_electrons(one),
            f"{one.level:.1f}",
            _banding(one),
            _stated(one),
        )
        for one in measured
    ]
    columns = (
        "camera RAW",
        "electrons at white",
        "like ISO",
        "read noise (electrons)",
        "grey card (of 255)",
        "banding",
        "DNG states",
    )
    console.table("Noise of the sensor", columns, rows)


def _electrons(measured: MeasuredSensor) -> tuple[str, str, str]:
    """Electrons at white, the speed of a full-frame camera with as many (to two digits), and read noise."""
    electrons, read_noise = measured.noise.electrons, measured.noise.read_noise
    if electrons is None:
        return "not measured", "", ""
    speed = int(float(f"{_ISO_TIMES_ELECTRONS / electrons:.2g}"))
    return f"{electrons:,.0f}", f"{speed:,}", f"{read_noise:.1f}"


def _banding(measured: MeasuredSensor) -> str:
    """Offsets of rows and columns relative to the noise of a dark pixel, if they are seen."""
    if not measured.noise.has_banding:
        return "no"
    rows, columns = measured.noise.banding
    return f"rows {rows:.0%}, columns {columns:.0%} of dark noise"


def _stated(measured: MeasuredSensor) -> str:
    """What the file says of green, or of all colours."""
    if not measured.stated:
        return ""
    slope, floor = measured.stated[min(1, len(measured.stated) - 1)]
    return f"{1 / slope:,.0f}, {floor**0.5 / slope:.1f}" if slope > 0 and floor >= 0 else "no noise"
