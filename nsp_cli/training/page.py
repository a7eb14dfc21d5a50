"""The page and the card of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsp_cli.files import write_text
from nsp_cli.photo import Pixels
from nsp_cli.report.chart import draw_loss_curve
from nsp_cli.report.pages import render
from nsp_cli.report.pictures import pack_whole
from nsp_cli.training.data.groups import PhotoGroup
from nsp_cli.training.judging import Judgement


@dataclass(frozen=True, eq=False)
class HeldOutCrop:
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
    groups: Sequence[PhotoGroup] = ()
    crops: Sequence[HeldOutCrop] = ()
    skipped: Sequence[str] = ()
    licence: str = ""


def write_page(path: Path, report: TrainingReport) -> None:
    """Writes one HTML file that needs no other and no network.

    Raises:
        OutputError: It cannot be written.
    """
    curve = draw_loss_curve(report.curve)
    pictures = [pack_whole(crop.name, crop.versions) for crop in report.crops]
    write_text(path, render("training.html.j2", report=report, curve=curve, pictures=pictures))


def write_card(path: Path, report: TrainingReport) -> None:
    """Writes the model card, in Markdown.

    Raises:
        OutputError: It cannot be written.
    """
    write_text(path, render("card.md.j2", report=report))
