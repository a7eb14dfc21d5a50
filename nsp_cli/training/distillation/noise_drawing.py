"""Draws the noise that a picture gets, and what goes with it, such as tone, defects and compression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.estimation import NoiseProfile
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.photo import JpegTables
from nsp_cli.training.distillation.sample_plan import AddedNoise, CarriedNoise, MeasuredNoise, SamplePlan
from nsp_cli.training.distillation.sources import FlatPatch
from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform
from nsp_cli.training.simulation.augmentation import (
    Augmentation,
    draw_augmentation,
    draw_exposure,
    draw_tone,
)
from nsp_cli.training.simulation.camera import draw_camera
from nsp_cli.training.simulation.dark_noise import draw_dark_noise
from nsp_cli.training.simulation.defects import Defects, draw_defects
from nsp_cli.training.simulation.flat_patches import PATCH_SIDE, residual_of
from nsp_cli.training.simulation.gaussian_noise import draw_gaussian_noise
from nsp_cli.training.simulation.grain import draw_grain
from nsp_cli.training.simulation.jpeg_compression import draw_compression
from nsp_cli.training.simulation.masks import draw_mask
from nsp_cli.training.simulation.noise_reduction import draw_noise_reduction
from nsp_cli.training.simulation.sensor import draw_sensor_noise

# Factors of the level of measured noise and of a flat patch's, which is milder than most.
_MEASURED_GAINS, _FLAT_GAINS = (0.7, 2.0), (0.5, 3.0)
# Chance that the noise is only in places, and that noise reduction has left more of it on texture.
_LOCAL, _REDUCED = 0.12, 0.6
# Chance that the noise of a toned picture has a limit, and that level. Strong grey noise is rare, and with it
# a lawn in black and white would pass for noise.
_LIMITED, _LIMITS = 0.85, (1 / 255, 14 / 255)
# Chance that a sample is compressed; noise from camera photos has been through that already, mostly, and
# Gaussian noise is mostly added later.
_COMPRESSED, _COMPRESSED_AGAIN = 0.65, 0.3
# Chance that a photo was edited and saved a second time.
_SAVED_TWICE = 0.25
# Chance that the target is compressed like the input. So are the mean of many shots that are JPEG files, and
# with it the noise is removed, and the loss of the file itself is not undone.
_KEEPS_COMPRESSION = 0.1
# What draws the kinds of noise that need no source; drawings and stars have a camera's.
_SIMULATED: dict[str, Callable[[torch.Generator], AddedNoise]] = {
    "sensor": draw_sensor_noise,
    "grain": draw_grain,
    "gaussian": draw_gaussian_noise,
    "dark": draw_dark_noise,
}
# Kinds whose pictures are not photos.
_ARTIFICIAL = ("drawn", "stars")


def draw_added_noise(
    kind: str,
    picture: Tensor,
    side: int,
    flats: Sequence[Sequence[FlatPatch]],
    profiles: Sequence[NoiseProfile],
    generator: torch.Generator,
) -> AddedNoise:
    """Draws the noise of a sample.

    Args:
        kind: A kind of added noise, as `SampleShares` names them.
        picture: (3, H, W) in [0, 1], which will get the noise.
        side: Side of the noise.
        flats: Flat patches of each photo, for "flat".
        profiles: Measured noise, for "measured".
        generator: Random generator, on the CPU.
    """
    match kind:
        case "measured":
            profile = profiles[random_below(len(profiles), generator)]
            return MeasuredNoise(profile, random_log_uniform(*_MEASURED_GAINS, generator))
        case "flat":
            return _draw_flat(picture, side, flats[random_below(len(flats), generator)], generator)
    return _SIMULATED.get(kind, draw_camera)(generator)


def _draw_flat(
    picture: Tensor, side: int, patches: Sequence[FlatPatch], generator: torch.Generator
) -> CarriedNoise:
    """Noise of the one of two patches that is about as bright as the picture."""
    tried = [patches[random_below(len(patches), generator)] for _ in range(2)]
    patch = min(tried, key=lambda one: abs(one.brightness - float(picture.mean())))
    pixels = torch.from_numpy(patch.photo.read(patch.top, patch.left, PATCH_SIDE, PATCH_SIDE))
    noise = residual_of(to_unit_range(pixels).permute(2, 0, 1))
    noise = torch.rot90(noise, random_below(4, generator), (1, 2))
    noise = noise.flip(2) if random_event(0.5, generator) else noise
    gain = random_log_uniform(*_FLAT_GAINS, generator)
    return CarriedNoise(_fitted(noise, side), gain, patch.profile, patch.brightness)


def _fitted(noise: Tensor, side: int) -> Tensor:
    """Cuts noise to a side, or continues it by its mirror image."""
    while noise.shape[-1] < side:
        more = min(side, 2 * noise.shape[-1] - 1) - noise.shape[-1]
        noise = functional.pad(noise[None], (0, more, 0, more), mode="reflect")[0]
    return noise[:, :side, :side].contiguous()


def finished(
    plan: SamplePlan,
    kind: str,
    tables: Sequence[JpegTables],
    generator: torch.Generator,
    *,
    textured: bool = True,
) -> SamplePlan:
    """Adds to the plan of a sample with added noise what its kind allows beside the noise.

    Args:
        plan: Plan with the noise.
        kind: A kind of added noise, as `SampleShares` names them.
        tables: Of cameras' JPEG files, for the compression.
        generator: Random generator, on the CPU.
        textured: Whether the picture may get texture.
    """
    augmentation = draw_augmentation(generator)
    if not textured:
        augmentation = replace(augmentation, texture=None)
    if kind in _ARTIFICIAL:
        texture = augmentation.texture if kind == "drawn" else None
        augmentation = Augmentation(texture=texture)
    if kind == "dark":
        dark = replace(augmentation, exposure=draw_exposure(generator))
        return replace(plan, augmentation=dark)
    tone = draw_tone(generator)
    plan = replace(
        plan,
        augmentation=replace(augmentation, tone=tone),
        # Those of a grey picture would be coloured.
        defects=Defects() if tone else draw_defects(generator),
        mask=draw_mask(generator) if random_event(_LOCAL, generator) else None,
        reduction=draw_noise_reduction(generator) if random_event(_REDUCED, generator) else None,
        most_noise=_draw_limit(generator) if tone else None,
        is_rounded=True,
    )
    return _compressed(plan, kind, tables, generator)


def _draw_limit(generator: torch.Generator) -> float | None:
    return random_log_uniform(*_LIMITS, generator) if random_event(_LIMITED, generator) else None


def _compressed(
    plan: SamplePlan, kind: str, tables: Sequence[JpegTables], generator: torch.Generator
) -> SamplePlan:
    chance = _COMPRESSED_AGAIN if kind in ("flat", "measured", "gaussian") else _COMPRESSED
    if not random_event(chance, generator):
        return plan
    times = 2 if random_event(_SAVED_TWICE, generator) else 1
    return replace(
        plan,
        compressions=tuple(draw_compression(tables, generator) for _ in range(times)),
        # Nobody has taken the mean of many shots of a drawing.
        keeps_compression=random_event(_KEEPS_COMPRESSION, generator) and kind not in _ARTIFICIAL,
    )
