"""What is measured to compare two sets of weights, how sure that is, and how it is put in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

# A gain counts if it is more than this many standard errors; it is then chance in one of forty cases.
SIGNIFICANCE = 2.0

FEWEST_JUDGED = 4
"""Fewest held-out regions that networks are judged by which are not blind-spot networks."""

VALIDATION = "PSNR of the pairs given (dB)"
ERROR = "error estimated by recorruption (levels²)"
SPLIT_ERROR = "most error by splitting the noise of the sensor (levels²)"
LOSS = "blind-spot loss (levels)"

# What each measure says, for the page.
_MEANINGS = {
    VALIDATION: "agreement with your clean versions; higher is better",
    ERROR: "squared error after noise like that of the photos was added once more, less what that noise "
    "itself is; lower is better",
    SPLIT_ERROR: "squared error of the colour that each pixel of the sensor sees, as developed, beside a "
    "second mosaic with noise of its own, less 96 % of that noise; lower is better",
    LOSS: "how well the next finer scale is predicted without seeing it; lower is better",
}

LEAST_GAIN = 0.15
"""Least gain that counts, as a share of the error, of networks that are not blind-spot networks: 0.7 dB.

Where noise on texture is not that of flat places, the recorrupted error favours students that smooth: of
simulated noise that was then compressed as JPEG, it saw 12 % less error where there was 3 % more.
"""
# Error in levels² below which a gain is not told as a share of it.
_LEAST_ERROR = 0.5


@dataclass(frozen=True)
class Measure:
    """Values of one measure for two sets of weights on the same pictures.

    Attributes:
        title: Name of the measure, with its unit.
        before, after: Value for each picture.
        digits: Number of decimals to show.
        falls: Whether lower values are better.
        least: Gain that counts, as a share of the value before.
    """

    title: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    digits: int
    falls: bool = True
    least: float = 0.0

    @property
    def gain(self) -> float:
        """Mean improvement; positive if the new weights are better, for every measure."""
        return fmean(self._gains())

    @property
    def uncertainty(self) -> float:
        """Standard error of the gain over the pictures; infinite for a single one."""
        gains = self._gains()
        return stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf

    @property
    def meaning(self) -> str:
        """What the measure says, in a line."""
        return _MEANINGS.get(self.title, "")

    @property
    def is_single(self) -> bool:
        """Whether there is only one picture, so that a gain cannot be distinguished from chance."""
        return len(self.before) == 1

    @property
    def is_better(self) -> bool:
        """Whether the new weights are better by more than chance, and by enough."""
        return self.gain > SIGNIFICANCE * self.uncertainty and not self.is_slight

    @property
    def is_slight(self) -> bool:
        """Whether a gain is too small to count."""
        return self.gain < self.least * abs(fmean(self.before))

    @property
    def is_worse(self) -> bool:
        """Whether the new weights are worse by more than chance."""
        return self.gain < -SIGNIFICANCE * self.uncertainty

    def _gains(self) -> list[float]:
        sign = -1 if self.falls else 1
        return [sign * (after - before) for before, after in zip(self.before, self.after, strict=True)]

    def describe_change(self) -> str:
        """The gain in words, with its standard error unless there is a single picture."""
        return self._describe_error() if self.falls else self._describe_psnr()

    def _describe_error(self) -> str:
        direction, before = "less" if self.gain >= 0 else "more", abs(fmean(self.before))
        # Of an error near nothing, and of an estimate below nothing, a share would be any number.
        if before < _LEAST_ERROR:
            return f"{abs(self.gain):.2f} levels² {direction} error on held-out parts" + self._plus_or_minus()
        factor = 100 / before
        amount = f"{abs(self.gain) * factor:.3g} % {direction} error on held-out parts"
        return amount if self.is_single else f"{amount} (± {self.uncertainty * factor:.2g} %)"

    def _describe_psnr(self) -> str:
        direction = "higher" if self.gain >= 0 else "lower"
        return f"{abs(self.gain):.2f} dB {direction} PSNR on the pairs given" + self._plus_or_minus()

    def _plus_or_minus(self) -> str:
        return "" if self.is_single else f" (± {self.uncertainty:.2f})"

    def show(self, values: Sequence[float]) -> str:
        """Mean of some values as text."""
        return f"{fmean(values):.{self.digits}f}"

    def show_gain(self) -> str:
        """Gain as text, with its uncertainty if that is known."""
        gain = f"{self.gain:+.{self.digits}f}"
        return gain if self.is_single else f"{gain} ± {self.uncertainty:.{self.digits}f}"


@dataclass(frozen=True)
class Judgement:
    """Comparison of new weights with earlier ones.

    Attributes:
        measures: Measures of both; the first one decides.
        regions: Number of held-out pictures.
    """

    measures: tuple[Measure, ...]
    regions: int

    @property
    def decisive(self) -> Measure:
        """Measure that decides the verdict."""
        return self.measures[0]

    @property
    def is_better(self) -> bool:
        """Whether the new weights are recommended."""
        return self.decisive.is_better
