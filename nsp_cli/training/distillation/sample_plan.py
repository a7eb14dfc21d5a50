"""How a picture becomes a training sample, drawn in advance and carried out on the device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nsp_cli.device import pinned
from nsp_cli.networks.base import CONDITIONING_SIZE
from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.ops.resampling import KERNELS
from nsp_cli.training.seeded_random import random_below, random_event
from nsp_cli.training.simulation.augmentation import Augmentation
from nsp_cli.training.simulation.camera import Camera
from nsp_cli.training.simulation.dark_noise import DarkNoise
from nsp_cli.training.simulation.defects import Defects
from nsp_cli.training.simulation.gaussian_noise import GaussianNoise
from nsp_cli.training.simulation.grain import Grain
from nsp_cli.training.simulation.jpeg_compression import Compression
from nsp_cli.training.simulation.masks import NoiseMask
from nsp_cli.training.simulation.noise_reduction import NoiseReduction
from nsp_cli.training.simulation.sensor import SensorNoise

# Standard deviations of the conditioning error, as powers of e: an error of all bands, one of each band, and
# one of coarse luma, which gentle gradients raise. A student that is told less exactly trusts its eyes more,
# and does better on cameras that nobody simulated.
_COMMON_ERROR, _BAND_ERROR, _COARSE_ERROR = 0.3, 0.2, 0.6


@dataclass(frozen=True, eq=False)
class MeasuredNoise:
    """New noise like that measured on a photo, at `gain` times its level."""

    profile: NoiseProfile
    gain: float


@dataclass(frozen=True, eq=False)
class CarriedNoise:
    """Noise taken from a photo.

    Attributes:
        noise: (3, S, S), or (3, t·S, t·S) to be halved with the picture.
        gain: Factor of its level.
        profile: Noise by brightness of its photo, by which its level is fitted to the picture; None if it
            stays as it is.
        brightness: Brightness of the place it is from, in [0, 1].
    """

    noise: Tensor
    gain: float = 1.0
    profile: NoiseProfile | None = None
    brightness: float = 0.0


AddedNoise = Camera | SensorNoise | MeasuredNoise | Grain | GaussianNoise | DarkNoise | CarriedNoise


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """How a picture is turned into a sample.

    Attributes:
        number: Number of the sample in the step, over all processes; seeds its noise.
        noise: Noise that it gets; None for a sample without noise.
        augmentation: Changes before the noise is added.
        kernel: Name of the kernel that halves the input of an enlarging student.
        conditioning_error: Error of each noise band, as powers of e, (6,).
        is_estimated: Whether a student is told an estimator's answer, if there is an estimator.
        defects: Defects that are added to the noise.
        mask: Where the noise is; None for everywhere.
        reduction: Noise reduction that the noise has been through; None for none.
        most_noise: Level that stronger noise is reduced to, with white at 1; None for no limit.
        gain: Factor of the noise, with all that is in it.
        compressions: JPEG compressions of the noisy picture, one after the other.
        keeps_compression: Whether the target has the last of them too, if it is as large as the input.
        is_rounded: Whether the sample has 8-bit values.
    """

    number: int
    noise: AddedNoise | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    kernel: str = "area"
    conditioning_error: Tensor = field(default_factory=lambda: torch.zeros(CONDITIONING_SIZE))
    is_estimated: bool = False
    defects: Defects = field(default_factory=Defects)
    mask: NoiseMask | None = None
    reduction: NoiseReduction | None = None
    most_noise: float | None = None
    gain: float = 1.0
    compressions: tuple[Compression, ...] = ()
    keeps_compression: bool = False
    is_rounded: bool = False


@dataclass(frozen=True, eq=False)
class DrawnSamples:
    """Pictures and plans of one step and process, before the samples are made of them.

    Attributes:
        clean: Targets before augmentation, (B, 3, t·S, t·S) in [0, 1].
        plans: Plan of each sample.
    """

    clean: Tensor
    plans: tuple[SamplePlan, ...]

    def pin_memory(self) -> DrawnSamples:
        return replace(self, clean=pinned(self.clean))


def draw_plan(number: int, generator: torch.Generator, *, estimated: float = 0.0) -> SamplePlan:
    """Draws what all samples need. The noise is missing yet.

    Args:
        number: Number of the sample in the step.
        generator: Random generator, on the CPU.
        estimated: Chance that a student is told an estimator's answer.
    """
    error = _COMMON_ERROR * torch.randn(1, generator=generator)
    error = error + _BAND_ERROR * torch.randn(CONDITIONING_SIZE, generator=generator)
    error[0] += _COARSE_ERROR * torch.randn((), generator=generator).abs()
    return SamplePlan(
        number,
        kernel=list(KERNELS)[random_below(len(KERNELS), generator)],
        conditioning_error=error,
        is_estimated=random_event(estimated, generator),
    )
