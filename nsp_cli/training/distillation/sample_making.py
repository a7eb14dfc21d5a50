"""Makes training samples on the device: augmentation, noise, compression, and the map of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.conditioning import map_of_residual
from nsp_cli.ops.resampling import halve
from nsp_cli.training.distillation.added_noise import added_noise
from nsp_cli.training.distillation.sample_plan import DrawnSamples, SamplePlan
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.augmentation import augment, toned
from nsp_cli.training.simulation.jpeg_compression import Compression, compress

# Separates the random numbers of noise and texture from those of the plan.
_NOISE, _TEXTURE = 1, 2


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples of one step and process, on the device.

    Attributes:
        noisy: Inputs (B, 3, S, S) in [0, 1], channels last.
        noise: True noise map of the inputs, (B, 6, S / 8, S / 8), from `map_of_residual`.
        clean: Targets (B, 3, t·S, t·S).
    """

    noisy: Tensor
    noise: Tensor
    clean: Tensor


def make_samples(
    drawn: DrawnSamples, *, scale: int = 1, seed: int, step: int, device: torch.device
) -> Samples:
    """Makes the training samples of a step.

    Args:
        drawn: Pictures and plans.
        scale: t, how many times the targets are larger than the inputs.
        seed, step: Seed the noise, together with the number of the sample.
        device: Device that the samples are made on.
    """

    def texture(index: int) -> torch.Generator:
        return generator_for(seed, step, drawn.plans[index].number, _TEXTURE, device=device)

    clean = augment(to_device(drawn.clean, device), [plan.augmentation for plan in drawn.plans], texture)
    still = _halved(clean, [plan.kernel for plan in drawn.plans]) if scale == 2 else clean
    generators = [generator_for(seed, step, plan.number, _NOISE, device=device) for plan in drawn.plans]
    noisy = _seen(still + added_noise(still, drawn.plans, generators), drawn.plans)
    if scale == 1:
        # The file of a larger picture would have another grid.
        clean = still = _kept(still, drawn.plans)
    noise = map_of_residual(noisy - still)
    return Samples(noisy.contiguous(memory_format=torch.channels_last), noise, clean)


def _halved(pictures: Tensor, kernels: Sequence[str]) -> Tensor:
    """Pictures (B, 3, H, W) at half the size, each by its kernel."""
    height, width = pictures.shape[-2:]
    smaller = pictures.new_empty(len(pictures), 3, height // 2, width // 2)
    for kernel in set(kernels):
        places = _places([name == kernel for name in kernels], pictures.device)
        smaller[places] = halve(pictures[places].flatten(0, 1), kernel).view(-1, 3, *smaller.shape[-2:])
    # Sharp kernels overshoot below black, where shot noise is not defined.
    return smaller.clamp_(0, 1)


def _seen(noisy: Tensor, plans: Sequence[SamplePlan]) -> Tensor:
    """Noisy pictures as a file holds them: in range, rounded and compressed."""
    noisy = noisy.clamp(0, 1)
    rounded = _places([plan.is_rounded for plan in plans], noisy.device)
    noisy[rounded] = (noisy[rounded] * 255).round() / 255
    for turn in range(max(len(plan.compressions) for plan in plans)):
        _compress(noisy, [plan.compressions[turn : turn + 1] for plan in plans])
    for index, plan in enumerate(plans):
        if tone := plan.augmentation.tone:
            noisy[index] = _toned_again(noisy[index], tone)
    return noisy


def _kept(still: Tensor, plans: Sequence[SamplePlan]) -> Tensor:
    """Targets, compressed where they keep the compression of the input."""
    still = still.clone()
    _compress(still, [plan.compressions[-1:] if plan.keeps_compression else () for plan in plans])
    for index, plan in enumerate(plans):
        if plan.keeps_compression and (tone := plan.augmentation.tone):
            still[index] = _toned_again(still[index], tone)
    return still


def _compress(pictures: Tensor, settings: Sequence[Sequence[Compression]]) -> None:
    """Compresses those pictures (B, 3, H, W) that have settings, in place."""
    if any(settings):
        places = _places([bool(one) for one in settings], pictures.device)
        pictures[places] = compress(pictures[places], [one for given in settings for one in given])


def _toned_again(picture: Tensor, tone: tuple[float, float, float]) -> Tensor:
    """A toned picture (3, H, W) without the other colours that compression has left."""
    untinted = picture / picture.new_tensor(tone)[:, None, None]
    return (toned(untinted, tone).clamp(0, 1) * 255).round() / 255


def _places(is_chosen: Sequence[bool], device: torch.device) -> Tensor:
    return to_device(torch.tensor(is_chosen).nonzero().flatten(), device)
