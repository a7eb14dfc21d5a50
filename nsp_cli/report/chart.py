"""Line charts as SVG for a page, in the page's text colour, readable on light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.report.pages import render

# Readable on white and on the pages' dark grey: contrast is above 3 with both.
_COLOURS = ("#4a90d9", "#d9772b", "#3f9f5f", "#d9534f", "#9b7bd0", "#2f9c9c")
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 24.0, 10.0, 44.0
_LEGEND_ROW = 18
_LONGEST_NAME = 40
_TICKS = 5


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name in the legend, and its points from left to right."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class _Axis:
    """The range of values along one side of a chart, and where a value lies between its ends (0 to 1)."""

    low: float
    high: float
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        if self.is_logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        return _decade_ticks(self.low, self.high) if self.is_logarithmic else _even_ticks(self.low, self.high)


def draw_noise_curve(profiles: Sequence[tuple[str, NoiseProfile]]) -> str:
    """Draws noise level by brightness for several versions of a photo, all channels together.

    Args:
        profiles: Name and measurement of each version.

    Returns:
        An `<svg>` element.
    """
    lines = []
    for name, profile in profiles:
        levels = profile.levels.square().mean(0).sqrt() * 255
        lines.append(Line(name, list(zip((profile.brightness * 255).tolist(), levels.tolist(), strict=True))))
    return draw_chart(lines, x="brightness (0–255)", y="noise level (0–255)", width=480, height=230)


def draw_loss_curve(points: Sequence[tuple[float, float]], label: str) -> str:
    """Draws steps and losses as an `<svg>` element; an empty text if there are no losses."""
    line = Line("", list(points))
    return draw_chart([line], x="step", y=label, width=720, height=280, is_logarithmic=True)


def draw_chart(
    lines: Sequence[Line], *, x: str, y: str, width: int, height: int, is_logarithmic: bool = False
) -> str:
    """Draws lines over axes that begin at 0, or a logarithmic vertical one.

    Points that are not finite, or not positive where the axis is logarithmic, are left out.

    Args:
        lines: What to draw. Names make a legend.
        x, y: Labels of the axes, with units.
        width, height: Size in pixels at its natural scale.
        is_logarithmic: Whether the vertical axis is logarithmic.

    Returns:
        An `<svg>` element; an empty text where no point is left.
    """
    lines = [Line(line.name, [p for p in line.points if _fits(p, is_logarithmic)]) for line in lines]
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    across = _Axis(0, max(value for value, _ in points) or 1)
    up = _vertical([value for _, value in points], is_logarithmic)
    legend = _legend([line.name for line in lines], width)
    frame = _Frame(width, height, _TOP + max((entry.row for entry in legend), default=0))
    return render(
        "chart.svg.j2",
        frame=frame,
        x=x,
        y=y,
        columns=[(frame.column(across.place(tick)), _number(tick)) for tick in across.ticks()],
        rows=[(frame.row(up.place(tick)), _number(tick)) for tick in up.ticks()],
        legend=legend,
        lines=[
            (_COLOURS[index % len(_COLOURS)], list(_placed(line, across, up, frame)))
            for index, line in enumerate(lines)
        ],
    )


@dataclass(frozen=True)
class _Key:
    """A name in the legend, and its place in pixels."""

    colour: str
    name: str
    left: float
    row: int


@dataclass(frozen=True)
class _Frame:
    """The size of a chart in pixels, and of the area inside its axes."""

    width: float
    height: float
    top: float
    left: float = _LEFT

    @property
    def right(self) -> float:
        return self.width - _RIGHT

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM

    def column(self, share: float) -> float:
        return round(self.left + share * (self.right - self.left), 1)

    def row(self, share: float) -> float:
        return round(self.bottom - share * (self.bottom - self.top), 1)


def _placed(line: Line, across: _Axis, up: _Axis, frame: _Frame) -> Iterator[tuple[float, float]]:
    for x, y in line.points:
        yield frame.column(across.place(x)), frame.row(up.place(y))


def _legend(names: Sequence[str], width: int) -> list[_Key]:
    """Returns the names of all lines, in as many rows as they need."""
    keys: list[_Key] = []
    left, row = _LEFT, _LEGEND_ROW
    for index, name in enumerate(filter(None, names)):
        short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        room = 34 + 7.5 * len(short)  # few letters are wider than 7.5 pixels
        if left > _LEFT and left + room > width:
            left, row = _LEFT, row + _LEGEND_ROW
        keys.append(_Key(_COLOURS[index % len(_COLOURS)], short, left, row))
        left += room
    return keys


def _fits(point: tuple[float, float], is_logarithmic: bool) -> bool:
    return all(map(math.isfinite, point)) and (point[1] > 0 or not is_logarithmic)


def _vertical(values: Sequence[float], is_logarithmic: bool) -> _Axis:
    if not is_logarithmic:
        return _Axis(0, max(values) * 1.05 or 1)
    low, high = min(values), max(values)
    margin = max(1.02, (high / low) ** 0.05)
    return _Axis(low / margin, high * margin, is_logarithmic=True)


def _even_ticks(low: float, high: float) -> list[float]:
    """Returns round numbers at even distances between two values."""
    magnitude = 10 ** math.floor(math.log10((high - low) / _TICKS))
    step = next(n * magnitude for n in (1, 2, 5, 10) if n * magnitude * _TICKS >= (high - low) * 0.999)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _decade_ticks(low: float, high: float) -> list[float]:
    """Returns round numbers at about even ratios between two positive values."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks
    return _even_ticks(low, high)


def _number(value: float) -> str:
    """Writes a tick: 0.05, 2.5, 20,000."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
