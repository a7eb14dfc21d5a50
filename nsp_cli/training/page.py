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
from nsp_cli.training.measures import Judgement


@dataclass(frozen=True, eq=False)
class HeldOutCrop:
    """A crop of a held-out photo to show on the page.

    Attributes:
        name: Name of the photo.
        versions: Name and (H, W, 3) uint8 pixels of each version: noisy first, then the results.
    """

    name: str
    versions: Mapping[str, Pixels]


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """Content of the page and the card.

    Attributes:
        name: Name of the new weights.
        facts: Labels and texts of the first table.
        curve: Steps and losses.
        loss: Name of the loss.
        before: Label of the weights that the new ones are compared with.
        after: Label of the new weights beside them.
        judgement: Comparison of the two; None if nothing could be held out.
        verdict: Sentence with the recommendation.
        groups: Groups of the photos; empty if the user did not ask for them.
        crops: Crops of held-out photos.
        skipped: Reasons why files were not used.
        licence: Licence of the weights; may be empty.
    """

    name: str
    facts: Mapping[str, str]
    curve: Sequence[tuple[float, float]]
    loss: str
    before: str
    after: str
    judgement: Judgement | None
    verdict: str
    groups: Sequence[PhotoGroup] = ()
    crops: Sequence[HeldOutCrop] = ()
    skipped: Sequence[str] = ()
    licence: str = ""


def write_page(path: Path, report: TrainingReport) -> None:
    """Writes the page as one HTML file that needs no other files and no network.

    Raises:
        OutputError: The file cannot be written.
    """
    curve = draw_loss_curve(report.curve, report.loss)
    pictures = [pack_whole(crop.name, crop.versions) for crop in report.crops]
    write_text(path, render("training.html.j2", report=report, curve=curve, pictures=pictures))


def write_card(path: Path, report: TrainingReport) -> None:
    """Writes the model card in Markdown.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, render("card.md.j2", report=report))
