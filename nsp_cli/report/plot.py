"""Plots of measured noise as PNG (matplotlib, an optional library that nothing else imports)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nsp_cli.errors import InputError
from nsp_cli.files import replacing
from nsp_cli.noise.estimation import BLOCK_SIDE, NoiseProfile
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.noise.sensor_noise import MosaicNoise

_COLOURS = ("tab:red", "tab:green", "tab:blue")


def check_plotting() -> None:
    """Makes sure that plots can be drawn. Call it before hours of measuring.

    Raises:
        InputError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise InputError(
            "Plots need matplotlib, which is not installed.", 'Install it: pip install "nsp-cli[plots]"'
        )


Stated = Sequence[tuple[float, float]]


def plot_noise(
    measured: Sequence[tuple[str, NoiseMap, NoiseProfile]],
    sensors: Sequence[tuple[str, MosaicNoise, Stated]],
    target: Path,
) -> None:
    """Draws a row per photo: the map of its luma noise, noise level by brightness, correlation by distance.

    A photo of a Bayer sensor has one plot: the noise of each colour by light, and what the file states.

    Args:
        measured: Name, noise map and profile of each photo.
        sensors: Name, noise and stated noise of each photo of a Bayer sensor.
        target: A PNG file, replaced if it exists.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    count = len(measured) + len(sensors)
    figure = Figure(figsize=(13, 3.2 * count), layout="constrained")
    rows = figure.subplots(count, 3, squeeze=False)
    for places, sensor in zip(rows[len(measured) :], sensors, strict=True):
        _plot_sensor(places, *sensor)
    for (name, noise, profile), (place, left, right) in zip(measured, rows, strict=False):
        picture = place.imshow((noise.local_luma * 255).numpy(), vmin=0)
        place.set(title=name, xticks=[], yticks=[])
        figure.colorbar(picture, ax=place, label="luma noise (0–255)")
        left.set(title="by brightness", xlabel="brightness (0–255)", ylabel="noise level (0–255)")
        for channel, colour in enumerate(_COLOURS):
            left.plot(profile.brightness * 255, profile.levels[channel] * 255, "o-", color=colour)
        left.set_ylim(bottom=0)
        right.set(title="autocorrelation", xlabel="distance (pixels)", ylim=(-0.2, 1.05))
        right.axhline(0, color="0.8")
        for plane, label in enumerate(("luma", "chroma R−B", "chroma G")):
            lags = profile.autocorrelation(plane)
            right.plot(range(BLOCK_SIDE), (lags[0] + lags[:, 0]) / 2, "o-", label=label)
        right.legend()
    with replacing(target) as file:
        figure.savefig(file, dpi=110, format="png")


def _plot_sensor(places: Sequence[Any], name: str, noise: MosaicNoise, stated: Stated) -> None:
    place, *empty = places
    for other in empty:
        other.set_axis_off()
    light = [share / 100 for share in range(101)]
    for colour, shown in enumerate(_COLOURS):
        deviations = [noise.deviation(colour, one) * 100 for one in light]
        place.plot([100 * one for one in light], deviations, color=shown)
    for slope, floor in stated:
        deviations = [max(0.0, slope * one + floor) ** 0.5 * 100 for one in light]
        place.plot([100 * one for one in light], deviations, "--", color="0.4")
    place.set(title=name, xlabel="light (% of white)", ylabel="noise (% of white)")
    place.set_ylim(bottom=0)
