"""Charts in pages: every point where the axes say, ticks at round numbers, and no matplotlib."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.report.chart import Line, draw_chart, draw_loss_curve, draw_noise_curve
from tests.pages import Page

COLOURED = re.compile("#[0-9a-f]{6}")


def chart(*lines: Line, is_logarithmic: bool = False) -> ElementTree.Element:
    text = draw_chart(
        lines, x="time (s)", y="speed (m/s)", width=480, height=230, is_logarithmic=is_logarithmic
    )
    return ElementTree.fromstring(text)


def texts(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


def ticks(svg: ElementTree.Element, anchor: str) -> list[tuple[float, float]]:
    """Returns pixel and number of each tick of an axis: "middle" for the one below, "end" for the other."""
    (group,) = [group for group in svg.iter("g") if group.get("text-anchor") == anchor]
    key, shift = ("x", 0) if anchor == "middle" else ("y", -4)
    numbers = [e for e in group.iter("text") if re.fullmatch(r"[\d,.]+", e.text or "")]
    return [(float(e.get(key, 0)) + shift, float((e.text or "").replace(",", ""))) for e in numbers]


def drawn(svg: ElementTree.Element) -> list[np.ndarray]:
    lines = svg.iter("polyline")
    return [np.array([point.split(",") for point in line.get("points", "").split()], float) for line in lines]


def read_off(svg: ElementTree.Element, *, is_logarithmic: bool) -> list[np.ndarray]:
    """Returns the points of every line, as a reader takes them from the ticks."""
    found = []
    for pixels in drawn(svg):
        columns, across = np.array(ticks(svg, "middle")).T
        rows, up = np.array(ticks(svg, "end")).T
        up = np.log(up) if is_logarithmic else up
        x = np.polyval(np.polyfit(columns, across, 1), pixels[:, 0])
        y = np.polyval(np.polyfit(rows, up, 1), pixels[:, 1])
        found.append(np.stack([x, np.exp(y) if is_logarithmic else y], axis=1))
    return found


@pytest.mark.parametrize("is_logarithmic", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 0.7, 1.0, 30.0, 2e5])
def test_points_lie_where_the_ticks_say(is_logarithmic, scale):
    first = [(1.0 * scale, 3.0 * scale), (2.5 * scale, 7.0 * scale), (9.0 * scale, 4.0 * scale)]
    second = [(0.0, 0.5 * scale), (6.0 * scale, 12.0 * scale)]
    svg = chart(Line("one", first), Line("two", second), is_logarithmic=is_logarithmic)
    for found, points in zip(read_off(svg, is_logarithmic=is_logarithmic), (first, second), strict=True):
        assert found == pytest.approx(np.array(points), rel=0.02, abs=0.05 * scale)


@pytest.mark.parametrize("is_logarithmic", [False, True])
@pytest.mark.parametrize("spread", [1.001, 1.3, 4.0, 60.0, 1e6])
def test_axes_have_a_few_ticks_whatever_the_range(is_logarithmic, spread):
    svg = chart(Line("", [(0.5, 7.3), (spread, 7.3 * spread)]), is_logarithmic=is_logarithmic)
    for anchor in ("middle", "end"):
        numbers = [number for _, number in ticks(svg, anchor)]
        assert 2 <= len(numbers) <= 9
        assert numbers == sorted(set(numbers))


def test_labels_and_names_are_text():
    svg = chart(Line("a & <b>", [(0, 1), (1, 2)]), Line("n" * 300, [(0, 1)]))
    assert {"time (s)", "speed (m/s)", "a & <b>"} <= set(texts(svg))
    assert max(map(len, texts(svg))) <= 40
    assert svg.get("aria-label") == "speed (m/s) by time (s)"


def test_nothing_lies_outside():
    names = [f"version {number} of a photo" for number in range(9)]
    svg = chart(*(Line(name, [(0.0, 5.0), (number + 1.0, 0.0)]) for number, name in enumerate(names)))
    assert set(names) <= set(texts(svg))
    _, _, width, height = map(float, (svg.get("viewBox") or "").split())
    for element in svg.iter():
        for key, most in (("x", width), ("x1", width), ("cx", width), ("y", height), ("y2", height)):
            assert 0 <= float(element.get(key, 0)) <= most
    rows = [float(element.get("y", 0)) for element in svg.iter("text") if element.text in names]
    assert max(rows) < min(points[:, 1].min() for points in drawn(svg))


def test_ink_is_the_pages_own():
    text = draw_noise_curve([("a", estimate_noise(torch.randint(0, 256, (3, 128, 128), dtype=torch.uint8)))])
    assert len(set(COLOURED.findall(text))) == 1  # of the only line
    assert set(re.findall('(?:fill|stroke)="([^"]*)"', text)) - set(COLOURED.findall(text)) == {
        "currentColor",
        "none",
    }


@pytest.mark.parametrize("points", [[], [(1, float("nan"))], [(1, 0.0)], [(1, float("inf"))]])
def test_without_losses_there_is_no_chart(points):
    assert draw_loss_curve(points, "loss") == ""
    assert draw_loss_curve([*points, (2, 0.1)], "loss").count("<circle") == 1


def test_a_chart_fits_into_a_page():
    text = draw_loss_curve([(0.5, 0.1), (1.5, 0.05)], "loss")
    page = Page(f"<body>{text}</body>")
    assert page.faults == []
    assert page.is_self_contained()


def test_pages_are_made_where_matplotlib_cannot_be_imported(tmp_path):
    code = """
import sys
sys.modules["matplotlib"] = None
from pathlib import Path
from tests.report.test_comparison import comparison, written
from tests.training.test_training_page import report
from nsp_cli.training.page import write_page
written(Path("a.html"), comparison())
write_page(Path("b.html"), report())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "<svg" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<svg" in (tmp_path / "b.html").read_text(encoding="utf-8")
