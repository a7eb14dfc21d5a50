"""Makes drawn lessons on the device that learns: exposures, noise, and how much of it there is."""

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

# Keeps the randomness of noise and of texture apart from that of the lesson they are for.
_NOISE, _TEXTURE = 1, 2


@dataclass(frozen=True, eq=False)
class Samples:
    """A step's lessons of one process, on the device.

    Attributes:
        noisy: (B, 3, S, S) in [0, 1].
        conditioning: (B, 6) as `noise_bands`, as wrong as a measurement may be.
        clean: (B, 3, t·S, t·S), the targets.
        weights: (B,) that the losses count with.
    """

    noisy: Tensor
    conditioning: Tensor
    clean: Tensor
    weights: Tensor


def make_samples(
    drawn: DrawnSamples, *, scale: int, balance: float, seed: int, step: int, device: torch.device
) -> Samples:
    """Makes a step's lessons.

    Args:
        drawn: What to make.
        scale: t; targets are so much larger than inputs.
        balance: Power of a lesson's noise level that its loss is divided by.
        seed, step: Decide, with a lesson's number, its noise.
        device: Where.
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
    # The mean of luma, in levels; a tenth of white counts 1.
    weights = (10 * noise[:, :3].mean(1) + 0.04).pow(-balance)
    return Samples(noisy, noise * error.exp(), clean, weights)


def _halved(pictures: Tensor, kernels: Sequence[str]) -> Tensor:
    height, width = pictures.shape[-2:]
    halved = pictures.new_empty(len(pictures), 3, height // 2, width // 2)
    for kernel in set(kernels):
        chosen = [index for index, name in enumerate(kernels) if name == kernel]
        places = _places(chosen, pictures.device)
        halved[places] = halve(pictures[places].flatten(0, 1), kernel).view(-1, 3, *halved.shape[-2:])
    # Sharp kernels overshoot, and a negative exposure has no shot noise.
    return halved.clamp_(0, 1)


def _with_noise(still: Tensor, plans: Sequence[SamplePlan], seed: int, step: int) -> Tensor:
    """Returns (B, 3, S, S): what the student sees; pictures that have their own noise as they are."""
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
