"""The page and the card of a run; names with markup cannot break them."""

from __future__ import annotations

import numpy as np
import pytest

from nsp_cli.errors import OutputError
from nsp_cli.training.data.groups import PhotoGroup
from nsp_cli.training.measures import Judgement, Measure
from nsp_cli.training.page import HeldOutCrop, TrainingReport, write_card, write_page

HOSTILE = '<script>alert("x")</script>|`'


def report(**changes: object) -> TrainingReport:
    pixels = np.zeros((8, 8, 3), np.uint8)
    measure = Measure("error", (2.0, 3.0), (1.0, 2.1), 2)
    content = {
        "name": "mine",
        "facts": {"photos": HOSTILE},
        "curve": [(0.5, 0.1), (1.5, 0.05)],
        "loss": "error",
        "before": "before: nsp-light",
        "after": "after: mine",
        "judgement": Judgement((measure,), 2),
        "verdict": "Better.",
        "groups": [PhotoGroup(HOSTILE, 2, 3.0, 4.0)],
        "crops": [HeldOutCrop(HOSTILE, {"noisy": pixels, "mine": pixels})],
        "skipped": [HOSTILE],
    }
    return TrainingReport(**content | changes)  # type: ignore[arg-type]


def test_markup_in_names_is_escaped(tmp_path):
    write_page(tmp_path / "p.html", report())
    write_card(tmp_path / "c.md", report())
    assert HOSTILE not in (tmp_path / "p.html").read_text(encoding="utf-8")
    card = (tmp_path / "c.md").read_text(encoding="utf-8")
    assert "<script>" not in card
    rows = [line for line in card.splitlines() if "alert" in line]
    assert [line.replace("\\|", "").count("|") for line in rows] == [3, 5]


def test_measures_and_verdict_are_shown(tmp_path):
    write_page(tmp_path / "p.html", report())
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    for part in ("Better.", "2.50", "1.55", "+0.95 ± 0.05", "nsp-light"):
        assert part in text, part


def test_a_page_is_written_without_held_out_photos(tmp_path):
    write_page(tmp_path / "p.html", report(judgement=None, crops=[], groups=[], skipped=[], curve=[]))
    write_card(tmp_path / "c.md", report(judgement=None, groups=[]))
    assert "held-out" not in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_held_out_regions_are_counted(tmp_path):
    pairs = Measure("PSNR", (30.0, 31.0), (31.0, 31.5), 2, falls=False)
    for regions, expected in (
        (1, "1 held-out region<"),
        (2, "2 held-out regions<"),
        (0, "On the pairs given"),
    ):
        write_page(tmp_path / "p.html", report(judgement=Judgement((pairs,), regions)))
        assert expected in (tmp_path / "p.html").read_text(encoding="utf-8")
    write_card(tmp_path / "c.md", report(judgement=Judgement((pairs,), 1)))
    assert "On 1 region that" in (tmp_path / "c.md").read_text(encoding="utf-8")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_card(tmp_path / "absent" / "c.md", report())
