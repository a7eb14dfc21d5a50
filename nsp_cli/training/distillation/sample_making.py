"""Makes a student's training samples on the device: augmentation, noise and noise conditioning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.conditioning import bands_of_residual
from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.noise.synthesis import sample_noise
from nsp_cli.ops.resampling import halve
from nsp_cli.training.distillation.sampler import DrawnSamples, SamplePlan
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.augmentation import augment
from nsp_cli.training.simulation.camera import Camera, simulate_camera

# Separates the random numbers of noise and texture from those of the plan.
_NOISE, _TEXTURE = 1, 2


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples of one step and process, on the device.

    Attributes:
        noisy: Inputs (B, 3, S, S) in [0, 1].
        conditioning: Noise bands (B, 6) as from `noise_bands`, with the error of an estimate.
        clean: Targets (B, 3, t·S, t·S).
        weights: Weight of each sample in the loss, (B,).
    """

    noisy: Tensor
    conditioning: Tensor
    clean: Tensor
    weights: Tensor


def make_samples(
    drawn: DrawnSamples, *, scale: int, balance: float, seed: int, step: int, device: torch.device
) -> Samples:
    """Makes the training samples of a step.

    Args:
        drawn: Pictures and plans.
        scale: t, how many times the targets are larger than the inputs.
        balance: Exponent of a sample's noise level that its loss is divided by.
        seed, step: Seed the noise, together with the number of the sample.
        device: Device that the samples are made on.
    """

    def texture(index: int) -> torch.Generator:
        return generator_for(seed, step, drawn.plans[index].number, _TEXTURE, device=device)

    clean = augment(to_device(drawn.clean, device), [plan.augmentation for plan in drawn.plans], texture)
    kernels = [plan.kernel for plan in drawn.plans]
    still = _halved(clean, kernels) if scale == 2 else clean
    noisy = _with_noise(still, drawn.plans, seed, step)
    if drawn.own:
        chosen = [index for index, plan in enumerate(drawn.plans) if plan.noise is None]
        own = to_device(torch.stack(drawn.own), device)
        own = _halved(own, [kernels[index] for index in chosen]) if scale == 2 else own
        noisy[_places(chosen, device)] = own
    noise = bands_of_residual(noisy - still)
    error = to_device(torch.stack([plan.conditioning_error for plan in drawn.plans]), device)
    # By the mean luma noise; a tenth of white counts as 1.
    weights = (10 * noise[:, :3].mean(1) + 0.04).pow(-balance)
    return Samples(noisy, noise * error.exp(), clean, weights)


def _halved(pictures: Tensor, kernels: Sequence[str]) -> Tensor:
    height, width = pictures.shape[-2:]
    halved = pictures.new_empty(len(pictures), 3, height // 2, width // 2)
    for kernel in set(kernels):
        chosen = [index for index, name in enumerate(kernels) if name == kernel]
        places = _places(chosen, pictures.device)
        halved[places] = halve(pictures[places].flatten(0, 1), kernel).view(-1, 3, *halved.shape[-2:])
    # Sharp kernels overshoot below black, where shot noise is not defined.
    return halved.clamp_(0, 1)


def _with_noise(still: Tensor, plans: Sequence[SamplePlan], seed: int, step: int) -> Tensor:
    """Pictures with simulated noise (B, 3, S, S); those without a source of noise are unchanged."""
    noisy = still.clone()
    generators = [generator_for(seed, step, plan.number, _NOISE, device=still.device) for plan in plans]
    cameras: dict[int, Camera] = {}
    for index, plan in enumerate(plans):
        if isinstance(plan.noise, Camera):
            cameras[index] = plan.noise
        elif isinstance(plan.noise, NoiseProfile):
            seen = still[index] + sample_noise(plan.noise, still[index], generators[index])
            noisy[index] = (seen.clamp(0, 1) * 255).round() / 255
    if cameras:
        places = _places(list(cameras), still.device)
        own = [generators[index] for index in cameras]
        noisy[places] = simulate_camera(still[places], list(cameras.values()), own)
    return noisy


def _places(chosen: Sequence[int], device: torch.device) -> Tensor:
    return to_device(torch.tensor(chosen), device)
