"""Simulated RAW: what a sensor writes of a sharp picture, and what it would have written without noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.ops.bayer import bayer_masks
from nsp_cli.ops.transfer import srgb_to_linear
from nsp_cli.training.simulation.blur import gaussian_blurred
from nsp_cli.training.simulation.raw_camera import RawCamera

# Reach of the lens's blur, and a width so small that it does nothing.
_REACH, _NO_BLUR = 3, 0.05


def camera_light(pictures: Tensor, cameras: Sequence[RawCamera]) -> Tensor:
    """What the cameras see of pictures, without noise.

    Args:
        pictures: (B, 3, H, W) sRGB in [0, 1].
        cameras: Camera of each.

    Returns:
        (B, 3, H, W) linear, in the white-balanced colours of each camera, from 0 to the gains: where the
        sensor clips a colour, so does this.
    """
    device = pictures.device
    blurred = gaussian_blurred(
        srgb_to_linear(pictures), [max(_NO_BLUR, camera.blur) for camera in cameras], _REACH
    )
    matrices = torch.stack([camera.colours * camera.exposure for camera in cameras])
    light = torch.einsum("bij,bjhw->bihw", to_device(matrices, device), blurred)
    gains = to_device(torch.tensor([camera.gains for camera in cameras]), device)[..., None, None]
    return torch.minimum(light.clamp(min=0), gains)


def exposed(light: Tensor, cameras: Sequence[RawCamera], generators: Sequence[torch.Generator]) -> Tensor:
    """Exposes the cameras' sensors to light: counts electrons, reads them, rounds.

    Args:
        light: (B, 3, H, W) from `camera_light`.
        cameras: Camera of each.
        generators: Random generator of each, on the light's device.

    Returns:
        (B, 1, H, W) white-balanced mosaics in RGGB phase. The sensor's white is clipped, below black is not,
        as far as the file goes.
    """
    height, width = light.shape[-2:]
    masks = bayer_masks(height, width, [(0, 0)], light.device)
    mosaics = [
        _exposed(one, masks[0], camera, own)
        for one, camera, own in zip(light, cameras, generators, strict=True)
    ]
    return torch.stack(mosaics)


def _exposed(light: Tensor, masks: Tensor, camera: RawCamera, generator: torch.Generator) -> Tensor:
    gains = to_device(torch.tensor(camera.gains), light.device)[:, None, None]
    gain = (gains * masks).sum(0)
    expected = (light * masks).sum(0) / gain * camera.electrons
    read = torch.randn(expected.shape, generator=generator, device=light.device) * camera.read
    signal = (torch.poisson(expected, generator) + read) / camera.electrons
    steps = (signal * camera.levels).round().clamp(-camera.black, camera.levels)
    return (steps / camera.levels * gain)[None]


def sensor_noise_of(cameras: Sequence[RawCamera]) -> Tensor:
    """The noise of the cameras as networks take it, (B, 2, 4)."""
    rows = [[[kind[colour] for colour in (0, 1, 1, 2)] for kind in (one.slope, one.floor)] for one in cameras]
    return torch.tensor(rows)
