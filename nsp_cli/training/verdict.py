"""What nsp says about new weights: which ones to use, how, and why."""

from __future__ import annotations

import shlex
from pathlib import Path

from nsp_cli.training.measures import Judgement, Measure

# Why new weights are not judged.
NONE_HELD_OUT = "the photos are too few or too small to hold any out"
NOISE_UNKNOWN = "the photos show too few flat places with the same noise"
FEW_REGIONS = "fewer than four parts that were held out are neither dark nor overexposed"


def describe_verdict(
    judgement: Judgement | None, output: Path, baseline: str, *, reason: str = NONE_HELD_OUT
) -> str:
    """Says which weights to use, how to use them, and why. The reason is for no judgement."""
    by_eye = f"Compare {output.name} with {baseline} by eye."
    if judgement is None:
        keep = f"Keep using {baseline}, unless yours is clearly better by eye."
        return f"Not judged: {reason}. {keep if reason == NOISE_UNKNOWN else by_eye}"
    measure = judgement.decisive
    if measure.is_single:
        change = measure.describe_change()
        return f"Not judged: a single picture cannot tell a gain from chance ({change}). {by_eye}"
    return _describe_measure(measure, output, baseline)


def _describe_measure(measure: Measure, output: Path, baseline: str) -> str:
    if measure.is_better:
        how = shlex.join(["nsp", "denoise", "PHOTO", "-m", str(output)])
        return f"Better for these photos: {measure.describe_change()}. Use it with: {how}"
    if measure.is_worse:
        return f"Worse for these photos: {measure.describe_change()}. Keep using {baseline}."
    if measure.gain > 0 and measure.is_slight:
        return f"Hardly different for these photos: {measure.describe_change()}. Keep using {baseline}."
    return (
        f"No clear difference for these photos: {measure.describe_change()}, and that may be chance. "
        f"Keep using {baseline}."
    )
