"""Draws what was measured on photos (matplotlib, imported by nothing else)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.errors import OutputError
from nsp_cli.noise.estimation import BLOCK_SIDE, NoiseProfile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("tab:red", "tab:green", "tab:blue")
_INK = "0.85"


def plot_noise(profiles: Sequence[tuple[str, NoiseProfile]], target: Path) -> None:
    """Draws a row per photo: level by brightness, and correlation by distance.

    Args:
        profiles: Names and measurements.
        target: A PNG, replaced if it exists.

    Raises:
        OutputError: It cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2 * len(profiles)), layout="constrained")
    rows = figure.subplots(len(profiles), 2, squeeze=False)
    for (name, profile), (left, right) in zip(profiles, rows, strict=True):
        left.set(title=name, xlabel="brightness (0–255)", ylabel="noise level (0–255)")
        for channel, colour in enumerate(_COLOURS):
            left.plot(profile.brightness * 255, profile.levels[channel] * 255, "o-", color=colour)
        left.set_ylim(bottom=0)
        right.set(title="autocorrelation", xlabel="distance (pixels)", ylim=(-0.2, 1.05))
        right.axhline(0, color="0.8")
        for plane, label in enumerate(("luma", "chroma R−B", "chroma G")):
            lags = profile.autocorrelation(plane)
            right.plot(range(BLOCK_SIDE), (lags[0] + lags[:, 0]) / 2, "o-", label=label)
        right.legend()
    try:
        figure.savefig(target, dpi=110, format="png")
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror}.", "Choose another place."
        ) from error


def noise_curve_svg(profiles: Sequence[tuple[str, NoiseProfile]]) -> str:
    """Draws level by brightness of several versions, all channels together, as an SVG for a dark page."""
    from matplotlib import rc_context

    # Text as text: outlines of letters would be most of the file.
    with rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, axes = _one_plot(6, 2.6)
        for name, profile in profiles:
            levels = profile.levels.square().mean(0).sqrt() * 255
            axes.plot(profile.brightness * 255, levels, "o-", ms=3, lw=1.2, label=name)
        axes.set(xlabel="brightness (0–255)", ylabel="noise level (0–255)")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.2)
        axes.legend(frameon=False, labelcolor=_INK)
        for part in (axes.xaxis, axes.yaxis):
            part.label.set_color(_INK)
        axes.tick_params(colors=_INK)
        return _svg(figure, transparent=True)


def loss_curve_svg(points: Sequence[tuple[float, float]]) -> str:
    """Draws steps and losses as an `<svg>` element for a page."""
    figure, axes = _one_plot(8, 3)
    axes.plot([step for step, _ in points], [loss * 255 for _, loss in points], lw=0.8)
    axes.set(xlabel="step", ylabel="mean absolute error (0–255)", yscale="log")
    return _svg(figure)


def _one_plot(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure, *, transparent: bool = False) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, transparent=transparent)
    text = file.getvalue()
    return text[text.index("<svg") :]
