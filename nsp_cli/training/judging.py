"""Judges which of two sets of weights suits some photos better, without clean versions of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

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
from nsp_cli.training.measures import ERROR, LEAST_GAIN, LOSS, VALIDATION, Judgement, Measure

# Pairs of which the blind-spot loss is the mean.
_PAIRS = 6


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
