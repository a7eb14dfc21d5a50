"""Plots of measured noise as PNG (matplotlib, an optional library that nothing else imports)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from nsp_cli.errors import InputError
from nsp_cli.files import replacing
from nsp_cli.noise.estimation import BLOCK_SIDE, NoiseProfile
from nsp_cli.noise.noise_map import NoiseMap

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


def plot_noise(measured: Sequence[tuple[str, NoiseMap, NoiseProfile]], target: Path) -> None:
    """Draws a row per photo: the map of its luma noise, noise level by brightness, correlation by distance.

    Args:
        measured: Name, noise map and profile of each photo.
        target: A PNG file, replaced if it exists.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.2 * len(measured)), layout="constrained")
    rows = figure.subplots(len(measured), 3, squeeze=False)
    for (name, noise, profile), (place, left, right) in zip(measured, rows, strict=True):
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
