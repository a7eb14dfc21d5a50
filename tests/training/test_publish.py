"""The verdict of a run claims no more than the measurements show."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsp_cli.training.judging import Judgement, Measure
from nsp_cli.training.publish import NamedWeights, describe_verdict

BASELINE, OUTPUT = NamedWeights("nsp-light", Path("nsp-light.safetensors")), Path("mine.safetensors")


def verdict(before: tuple[float, ...], after: tuple[float, ...]) -> str:
    return describe_verdict(Judgement((Measure("error", before, after, 2),), len(before)), OUTPUT, BASELINE)


@pytest.mark.parametrize(
    ("after", "begin"),
    [
        ((0.5, 1.6, 2.4), "Better than nsp-light (error: gain +0.50"),
        ((1.5, 2.4, 3.6), "Worse than nsp-light; keep using nsp-light (error: gain -0.50"),
        ((0.0, 2.4, 2.9), "The difference from nsp-light may be chance; keep using nsp-light"),
    ],
)
def test_verdict_distinguishes_better_worse_and_chance(after, begin):
    assert verdict((1.0, 2.0, 3.0), after).startswith(begin)


def test_a_single_picture_gives_no_verdict():
    text = verdict((2.0,), (1.0,))
    assert text.startswith("Not judged: a single picture")
    assert "inf" not in text
    assert "already" not in text
