"""The verdict of a run claims no more than the measurements show."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsp_cli.training.measures import Judgement, Measure
from nsp_cli.training.verdict import FEW_REGIONS, NOISE_UNKNOWN, NONE_HELD_OUT, describe_verdict

BASELINE, OUTPUT = "nsp-light", Path("mine.safetensors")


def verdict(before: tuple[float, ...], after: tuple[float, ...]) -> str:
    return describe_verdict(Judgement((Measure("error", before, after, 2),), len(before)), OUTPUT, BASELINE)


def verdict_by_pairs(before: tuple[float, ...], after: tuple[float, ...]) -> str:
    measure = Measure("PSNR", before, after, 2, falls=False)
    return describe_verdict(Judgement((measure,), 0), OUTPUT, BASELINE)


@pytest.mark.parametrize(
    ("after", "begin"),
    [
        (
            (0.5, 1.6, 2.4),
            "Better for these photos: 25 % less error on held-out parts (± 2.9 %). Use",
        ),
        ((1.5, 2.4, 3.6), "Worse for these photos: 25 % more error on held-out parts (± 2.9 %). Keep using"),
        (
            (0.0, 2.4, 2.9),
            "No clear difference for these photos: 11.7 % less error on held-out parts",
        ),
    ],
)
def test_verdict_distinguishes_better_worse_and_chance(after, begin):
    assert verdict((1.0, 2.0, 3.0), after).startswith(begin)


def test_the_verdict_says_how_to_use_the_weights_or_what_to_keep():
    assert verdict((1.0, 2.0, 3.0), (0.5, 1.6, 2.4)).endswith("nsp denoise PHOTO -m mine.safetensors")
    assert verdict((1.0, 2.0, 3.0), (1.5, 2.4, 3.6)).endswith("Keep using nsp-light.")


def test_a_share_of_next_to_nothing_is_not_told():
    text = verdict((0.001, 0.002, -0.004), (0.3, 0.31, 0.32))
    assert text.startswith("Worse for these photos: 0.31 levels² more error")


def test_a_slight_gain_is_no_reason_to_change():
    for share, begin in ((0.08, "Hardly different for these photos: 8 % less"), (0.12, "Better")):
        before = (1.0, 2.0, 3.0)
        measure = Measure("error", before, tuple((1 - share) * one for one in before), 2, least=0.1)
        text = describe_verdict(Judgement((measure,), 3), OUTPUT, BASELINE)
        assert text.startswith(begin)
        assert ("Keep using" in text) == (share < 0.1)


def test_what_cannot_be_judged_is_not_recommended():
    text = describe_verdict(None, OUTPUT, BASELINE, reason=NOISE_UNKNOWN)
    assert text.startswith("Not judged: the photos show too few flat places with the same noise.")
    assert "Use it" not in text


def test_names_with_blanks_are_quoted():
    judgement = Judgement((Measure("error", (1.0, 2.0, 3.0), (0.5, 1.6, 2.4), 2),), 3)
    assert describe_verdict(judgement, Path("my shots.safetensors"), BASELINE).endswith(
        "-m 'my shots.safetensors'"
    )


def test_pairs_are_judged_in_decibels():
    text = verdict_by_pairs((30.0, 31.0, 30.0), (30.5, 31.6, 30.6))
    assert text.startswith("Better for these photos: 0.57 dB higher PSNR on the pairs given (± 0.03).")


def test_a_single_picture_gives_no_verdict():
    text = verdict((2.0,), (1.0,))
    assert text.startswith("Not judged: a single picture")
    assert "inf" not in text
    assert "already" not in text


def test_what_is_not_judged_is_told_by_its_own_reason():
    for reason in (NONE_HELD_OUT, NOISE_UNKNOWN, FEW_REGIONS):
        assert f"Not judged: {reason}." in describe_verdict(None, OUTPUT, BASELINE, reason=reason)
