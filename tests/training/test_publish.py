"""The verdict of a run, in words that say no more than was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsp_cli.training.judging import Judgement, Measure
from nsp_cli.training.publish import NamedWeights, describe_verdict

STOCK, OUTPUT = NamedWeights("nsp-light", Path("nsp-light.safetensors")), Path("mine.safetensors")


def verdict(before: tuple[float, ...], after: tuple[float, ...]) -> str:
    return describe_verdict(Judgement((Measure("error", before, after, 2),), len(before)), OUTPUT, STOCK)


@pytest.mark.parametrize(
    ("after", "begin"),
    [
        ((0.5, 1.6, 2.4), "Better than nsp-light (error: gain +0.50"),
        ((1.5, 2.4, 3.6), "Worse than nsp-light; keep using that (error: gain -0.50"),
        ((0.0, 2.4, 2.9), "The difference from nsp-light is within chance; keep using that"),
    ],
)
def test_better_worse_and_chance_are_told_apart(after, begin):
    assert verdict((1.0, 2.0, 3.0), after).startswith(begin)


def test_a_single_picture_judges_nothing():
    text = verdict((2.0,), (1.0,))
    assert text.startswith("Not judged: a single picture")
    assert "inf" not in text
    assert "already" not in text
