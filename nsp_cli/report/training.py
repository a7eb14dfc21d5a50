"""The page and the card of a training run, from templates (Jinja, imported by nothing else)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from nsp_cli.errors import OutputError
from nsp_cli.judge import Judgement
from nsp_cli.photo import Pixels, png_bytes
from nsp_cli.plot import loss_curve_svg
from nsp_cli.training.groups import Group
from nsp_cli.wording import counted


@dataclass(frozen=True, eq=False)
class Crop:
    """A held-out crop to look at.

    Attributes:
        name: Of its photo.
        versions: What to call each version, and its (H, W, 3) uint8 pixels: noisy, then results.
    """

    name: str
    versions: Mapping[str, Pixels]


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """What there is to say about a run.

    Attributes:
        name: Of the weights.
        facts: Label and text, as the page's and card's first table.
        curve: Steps and losses.
        before: What to call the weights that it is compared with.
        after: What to call it beside them.
        judgement: None where nothing could be held out.
        verdict: A sentence.
        groups: Photos by kind; empty where it was not asked for.
        crops: Held out.
        skipped: Why files were not used.
        licence: Of the weights; may be empty.
    """

    name: str
    facts: Mapping[str, str]
    curve: Sequence[tuple[float, float]]
    before: str
    after: str
    judgement: Judgement | None
    verdict: str
    groups: Sequence[Group] = ()
    crops: Sequence[Crop] = ()
    skipped: Sequence[str] = ()
    licence: str = ""


def write_page(path: Path, report: TrainingReport) -> None:
    """Writes one HTML file that needs no other and no network.

    Raises:
        OutputError: It cannot be written.
    """
    curve = loss_curve_svg(report.curve)
    _write(path, _templates().get_template("training.html.j2").render(report=report, curve=curve))


def write_card(path: Path, report: TrainingReport) -> None:
    """Writes the model card, in Markdown.

    Raises:
        OutputError: It cannot be written.
    """
    _write(path, _templates().get_template("card.md.j2").render(report=report))


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nsp_cli.report", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"data_url": _data_url, "cell": _cell, "counted": counted}
    return environment


def _data_url(pixels: Any) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels)).decode("ascii")


def _cell(text: str) -> str:
    """Keeps a text from ending its cell or being taken for HTML: EXIF holds what others wrote."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror})", "Check the folder and free space."
        ) from error
