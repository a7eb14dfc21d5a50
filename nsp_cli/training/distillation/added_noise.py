"""The noise of planned samples, on any device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.noise.synthesis import relative_level, sample_noise
from nsp_cli.ops.resampling import halve
from nsp_cli.training.distillation.sample_plan import AddedNoise, CarriedNoise, MeasuredNoise, SamplePlan
from nsp_cli.training.simulation.augmentation import toned
from nsp_cli.training.simulation.camera import Camera, camera_noise
from nsp_cli.training.simulation.dark_noise import DarkNoise, dark_noise
from nsp_cli.training.simulation.defects import with_defects
from nsp_cli.training.simulation.gaussian_noise import GaussianNoise, gaussian_noise
from nsp_cli.training.simulation.grain import Grain, grain_noise
from nsp_cli.training.simulation.masks import mask_of
from nsp_cli.training.simulation.noise_reduction import reduced_noise
from nsp_cli.training.simulation.sensor import SensorNoise, add_sensor_noise

# Factors of a flat patch's noise at other brightnesses, and the lowest level by which they are divided.
_FLAT_LEVELS, _LEAST_LEVEL = (0.3, 2.5), 0.3
# The luma of noise is weaker than the noise.
_TONED_GAIN = 1.2


def added_noise(still: Tensor, plans: Sequence[SamplePlan], generators: Sequence[torch.Generator]) -> Tensor:
    """Noise of each sample; 0 for those without.

    Args:
        still: Pictures without noise (B, 3, S, S) in [0, 1].
        plans: Plan of each.
        generators: Random generator of each, on the pictures' device.

    Returns:
        (B, 3, S, S), before rounding and compression.
    """
    noise = torch.zeros_like(still)
    cameras = {index: plan.noise for index, plan in enumerate(plans) if isinstance(plan.noise, Camera)}
    if cameras:
        places = to_device(torch.tensor(list(cameras)), still.device)
        own = [generators[index] for index in cameras]
        noise[places] = camera_noise(still[places], list(cameras.values()), own)
    for index, (plan, generator) in enumerate(zip(plans, generators, strict=True)):
        if plan.noise is None:
            continue
        if index not in cameras:
            noise[index] = _noise_of(plan.noise, still[index], plan.kernel, generator)
        noise[index] = _finished(noise[index], plan, still[index], generator)
    return noise


def _noise_of(noise: AddedNoise, still: Tensor, kernel: str, generator: torch.Generator) -> Tensor:
    """Noise of one picture (3, S, S), which is not a camera's."""
    match noise:
        case SensorNoise():
            return add_sensor_noise(still[None], [noise], [generator])[0] - still
        case MeasuredNoise():
            return noise.gain * sample_noise(noise.profile, still, generator)
        case Grain():
            return grain_noise(noise, still, generator)
        case GaussianNoise():
            return gaussian_noise(noise, still, generator)
        case DarkNoise():
            return dark_noise(noise, still, generator)
        case CarriedNoise():
            return _carried(noise, still, kernel)
    raise AssertionError(noise)


def _carried(carried: CarriedNoise, still: Tensor, kernel: str) -> Tensor:
    noise = carried.gain * to_device(carried.noise, still.device)
    if noise.shape != still.shape:
        noise = halve(noise, kernel)
    if carried.profile is None:
        return noise
    here = relative_level(carried.profile, still.mean(0))
    there = relative_level(carried.profile, still.new_full((1, 1), carried.brightness))
    return noise * (here / there.clamp(min=_LEAST_LEVEL)).clamp(*_FLAT_LEVELS)


def _finished(noise: Tensor, plan: SamplePlan, still: Tensor, generator: torch.Generator) -> Tensor:
    """Noise (3, S, S) as planned: reduced, toned, limited, with defects, times the gain, in its places."""
    if plan.reduction:
        noise = reduced_noise(noise, still, plan.reduction)
    if plan.augmentation.tone:
        noise = _TONED_GAIN * toned(noise, plan.augmentation.tone)
    if plan.most_noise is not None:
        noise = noise * (plan.most_noise / noise.std().clamp(min=1e-9)).clamp(max=1)
    noise = with_defects(noise, plan.defects, generator) * plan.gain
    return noise if plan.mask is None else noise * mask_of(plan.mask, still, generator)
