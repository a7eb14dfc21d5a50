"""Judges which of two sets of weights suits some photos better, without clean versions of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev

import torch
from torch import Tensor

from nsp_cli.evaluation.metrics import psnr
from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.view import View
from nsp_cli.training.data.pairs import make_pairs
from nsp_cli.training.distillation.own_noise import MeasuredSource, NoiseSource

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
_PAIRS = 6


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


def judge(
    before: Restorer,
    after: Restorer,
    pictures: Sequence[Tensor],
    *,
    pd_factor: int | None,
    validation: Sequence[tuple[Tensor, Tensor]] = (),
    noises: Sequence[NoiseSource | None] = (),
    on_progress: OnProgress | None = None,
) -> Judgement | None:
    """Compares two networks, using the default denoising pipeline.

    Args:
        before: Earlier network.
        after: New network.
        pictures: Noisy pictures (3, H, W) that neither network was trained on, at least 64 pixels a side.
        pd_factor: s for the blind-spot loss; None for students, which have no such loss.
        validation: Pairs of noisy and clean uint8 pictures. If there are any, their PSNR decides.
        noises: Noise like that of each picture, from others; None, or nothing at all, to measure it there.
        on_progress: Called with the number of finished comparisons and their total.

    Returns:
        Judgement; None if there are no pictures.
    """
    compare = BothNetworks(
        before, after, (1 + bool(pd_factor)) * len(pictures) + len(validation), on_progress
    )
    measures = []
    if validation:
        measures.append(compare(VALIDATION, 2, partial(_true_psnr, validation), len(validation), falls=False))
    if pictures:
        measures.append(
            compare(
                ERROR,
                2,
                partial(_error, pictures, noises or [None] * len(pictures)),
                len(pictures),
                least=0.0 if pd_factor else LEAST_GAIN,
            )
        )
    if pictures and pd_factor:
        measures.append(compare(LOSS, 3, partial(_loss, pictures, pd_factor), len(pictures)))
    return Judgement(tuple(measures), len(pictures)) if measures else None


class BothNetworks:
    """Measures both networks on one picture after the other, and reports the progress."""

    def __init__(self, before: Restorer, after: Restorer, total: int, on_progress: OnProgress | None) -> None:
        self._before, self._after, self._on_progress = before, after, on_progress
        self._done, self._total = 0, total

    def __call__(
        self,
        title: str,
        digits: int,
        measure: Callable[[Restorer, int], float],
        count: int,
        *,
        falls: bool = True,
        least: float = 0.0,
    ) -> Measure:
        before, after = zip(*(self._both(measure, index) for index in range(count)), strict=True)
        return Measure(title, before, after, digits, falls, least)

    def _both(self, measure: Callable[[Restorer, int], float], index: int) -> tuple[float, float]:
        found = measure(self._before, index), measure(self._after, index)
        self._done += 1
        if self._on_progress:
            self._on_progress(self._done, self._total)
        return found


def _true_psnr(pairs: Sequence[tuple[Tensor, Tensor]], restorer: Restorer, index: int) -> float:
    noisy, clean = pairs[index]
    return psnr(pipeline.denoise_tensor(restorer, noisy)[0], clean)


def _error(
    pictures: Sequence[Tensor], noises: Sequence[NoiseSource | None], restorer: Restorer, index: int
) -> float:
    return recorrupted_error(restorer, pictures[index], seed=index, source=noises[index])


def _loss(pictures: Sequence[Tensor], pd_factor: int, restorer: Restorer, index: int) -> float:
    return blind_spot_loss(restorer, pictures[index], pd_factor, seed=index)


def recorrupted_error(
    restorer: Restorer, noisy: Tensor, *, seed: int, source: NoiseSource | None = None
) -> float:
    """Estimates the squared error of denoising a picture, without the clean one.

    Noise n like the picture's own is added to the picture y for the input, and subtracted for the
    target.
    The noise in y + n and the noise in y − n are then independent of each other. The mean of
    (f(y + n) − (y − n))² is therefore the error against the clean picture plus the noise of the target, which
    is subtracted (Pang et al., Recorrupted-to-Recorrupted, CVPR 2021). The result is the error on noise that
    is √2 times as strong, and is as accurate as the noise estimate.

    Args:
        restorer: Network and device.
        noisy: (3, H, W), at least 64 pixels a side.
        seed: Seed of the noise; must be the same for networks that are compared.
        source: Gives noise like the picture's, but independent of it; None to measure the picture.

    Returns:
        Mean squared error in 8-bit levels²; differences are more reliable than single values.
    """
    seen = View.of(noisy).picture(noisy)
    picture, source = to_unit_range(seen), source or MeasuredSource((estimate_noise(seen),))
    noise = source.sample(picture, torch.Generator().manual_seed(seed))
    denoised, _ = pipeline.denoise_tensor(restorer, picture + noise, view=View())
    error = (denoised - (picture - noise)).square().mean()
    in_target = 2 * noise.square().mean()
    return float(error - in_target) * 255**2


@torch.inference_mode()
def blind_spot_loss(restorer: Restorer, noisy: Tensor, pd_factor: int, *, seed: int) -> float:
    """Measures how well the network predicts the next finer scale: the loss of the training (Sec. 3.3).

    Returns:
        Mean absolute error in 8-bit levels, over six random pairs.
    """
    multiple = pd_factor * restorer.spec.input_multiple
    height, width = (side // multiple * multiple for side in noisy.shape[-2:])
    inputs, targets = make_pairs(
        to_unit_range(noisy)[None, :, :height, :width],
        s=pd_factor,
        t=restorer.spec.scale,
        pairs=_PAIRS,
        generators=[torch.Generator().manual_seed(seed)],
    )
    device, precision = restorer.execution.device, restorer.execution.precision
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        predicted = restorer.network(inputs.to(device))
    return float((predicted.float().cpu() - targets).abs().mean()) * 255
