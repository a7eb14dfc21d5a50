"""A simulated camera: sensor noise after the camera's processing.

`sensor` stops at the demosaiced picture. A camera then reduces noise, more in colour than in brightness, and
sharpens. The remaining noise is far from white: in real pairs of DSLR JPEGs, luma noise falls off beyond a
quarter of the sampling rate, and chroma noise is a fifth of luma noise. What depends on the scene is in
`noise_reduction`, and what compression does in `jpeg_compression`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.ops.block_dct import from_luma_chroma, to_luma_chroma
from nsp_cli.ops.transfer import srgb_to_linear
from nsp_cli.training.seeded_random import random_event, random_log_uniform, random_uniform, white_noise
from nsp_cli.training.simulation.sensor import SensorNoise, draw_sensor_noise

# Lowest linear value for the slope of the sRGB curve; at black it would be 12.92, which no camera uses.
_DARKEST = 0.004


@dataclass(frozen=True)
class Camera:
    """A camera and one exposure with it. Widths are standard deviations of Gaussians in pixels.

    Attributes:
        sensor: Shot and read noise. Only their ratio matters, because `luma` and `chroma` set the level.
        phase: Row and column of the first red pixel, 0 or 1. None for a sensor that sees all colours in
            every pixel; demosaicing methods better than bilinear come close to that.
        luma, chroma: Noise levels in the finished picture, with white at 1; chroma per plane.
        luma_width, chroma_width: Widths of the noise reduction.
        floor: Smallest share of the noise that is left at any frequency, relative to coarse noise.
        blotches: Share of the noise that is coarse, because noise reduction leaves coarse noise.
        blotch_width: Width of that coarse noise.
        sharpening: Amount of an unsharp mask of radius 1.
        mixing: Strength of the colour matrix, which turns luma noise into chroma noise; 0 for none.
    """

    sensor: SensorNoise
    phase: tuple[int, int] | None
    luma: float
    chroma: float
    luma_width: float
    chroma_width: float
    floor: float
    blotches: float
    blotch_width: float
    sharpening: float
    mixing: float


def draw_camera(generator: torch.Generator) -> Camera:
    """Draws a camera, an exposure and its processing, from clean ISO 100 to a phone at night."""

    def between(low: float, high: float) -> float:
        return random_uniform(low, high, generator)

    def log_uniform(low: float, high: float) -> float:
        return random_log_uniform(low, high, generator)

    def chance(share: float) -> bool:
        return random_event(share, generator)

    # In mild noise, what is removed wrongly shows most.
    usual = log_uniform(0.7, 60) if chance(0.7) else log_uniform(10, 70)
    luma = (log_uniform(0.7, 12) if chance(0.2) else usual) / 255
    luma_width = between(0, 1.1) if chance(0.8) else between(1.1, 2.0)
    # Sensors make as much chroma noise as luma noise. After processing the ratio is 0.1 to 1.4.
    chroma = luma * (log_uniform(0.08, 0.6) if chance(0.5) else log_uniform(0.5, 1.4))
    camera = Camera(
        sensor=draw_sensor_noise(generator),
        phase=(int(chance(0.5)), int(chance(0.5))) if chance(0.6) else None,
        luma=luma,
        chroma=chroma,
        luma_width=luma_width,
        chroma_width=luma_width + (between(0, 0.7) if chance(0.5) else between(0, 2.0)),
        floor=between(0, 0.3) if chance(0.5) else 0.0,
        blotches=between(0, 0.7) if chance(0.4) else 0.0,
        blotch_width=log_uniform(1.2, 5.0),
        sharpening=between(0, 1.0) if chance(0.4) else 0.0,
        mixing=between(0, 1.0),
    )
    return _smoothing_much(camera, generator) if chance(0.5) else camera


def _smoothing_much(camera: Camera, generator: torch.Generator) -> Camera:
    """The camera with noise reduction that leaves only wide noise, almost without colour.

    It looks like the scene's texture: at a DSLR's ISO 6400 most of the noise in its JPEG files is like this.
    """
    return replace(
        camera,
        chroma=camera.luma * random_log_uniform(0.08, 0.5, generator),
        luma_width=random_uniform(0.7, 1.5, generator),
        chroma_width=random_uniform(1.5, 4.0, generator),
        floor=random_uniform(0.01, 0.12, generator),
    )


def camera_noise(clean: Tensor, cameras: Sequence[Camera], generators: Sequence[torch.Generator]) -> Tensor:
    """Makes the noise of photos.

    Args:
        clean: The photos without it, (B, 3, H, W) sRGB in [0, 1].
        cameras: Camera of each photo.
        generators: Random generator of each photo, on the photos' device.

    Returns:
        (B, 3, H, W), to be added to the photos; neither rounded nor compressed.
    """
    return _processed(cameras, _sensor_noise(clean, cameras, generators))


def _sensor_noise(clean: Tensor, cameras: Sequence[Camera], generators: Sequence[torch.Generator]) -> Tensor:
    """Demosaiced, colour-corrected noise in gamma-coded values, of arbitrary strength."""
    white = white_noise(clean.shape[1:], generators)
    column = _Columns(cameras, clean.device)
    gains = column(lambda camera: (camera.sensor.gains[0], 1.0, camera.sensor.gains[1]))
    linear = srgb_to_linear(clean)
    shot, read = column(lambda camera: camera.sensor.shot), column(lambda camera: camera.sensor.read)
    noise = (shot * linear / gains + read).sqrt() * white
    phases = [camera.phase or (0, 0) for camera in cameras]
    mosaic = noise * bayer_masks(clean.shape[-2], clean.shape[-1], phases, clean.device)
    has_mosaic = column(lambda camera: float(camera.phase is not None))
    colour = torch.where(has_mosaic > 0, demosaic_bilinear(mosaic), noise) * gains
    # A colour matrix with rows that sum to one amplifies the differences between the channels.
    mixing = column(lambda camera: camera.mixing)
    colour = colour + 0.7 * mixing * (colour - colour.mean(1, keepdim=True))
    # The tone curve's slope: (1.055 / 2.4) · x^(1/2.4 − 1).
    return colour * linear.clamp(min=_DARKEST).pow(1 / 2.4 - 1)


def _processed(cameras: Sequence[Camera], noise: Tensor) -> Tensor:
    """Smooths and sharpens noise, and scales it to the cameras' levels."""
    shape, column = noise.shape[-2:], _Columns(cameras, noise.device)
    spectrum = torch.fft.rfft2(to_luma_chroma(noise.transpose(0, 1)).transpose(0, 1))
    planes = torch.fft.irfft2(spectrum * _response(column, shape), s=shape)
    rms = planes.square().mean((2, 3), keepdim=True).sqrt()
    rms = torch.cat([rms[:, :1], rms[:, 1:].mean(1, keepdim=True).expand(-1, 2, -1, -1)], 1)
    wanted = column(lambda camera: (camera.luma, camera.chroma, camera.chroma))
    return from_luma_chroma((planes / rms.clamp(min=1e-9) * wanted).transpose(0, 1)).transpose(0, 1)


def _response(column: _Columns, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """Frequency response for luma and chroma, (B, 3, H, W // 2 + 1)."""
    rows, columns = torch.fft.fftfreq(shape[0]), torch.fft.rfftfreq(shape[1])
    squared = to_device(rows[:, None] ** 2 + columns[None] ** 2, column.device)

    def low_pass(width: Tensor) -> Tensor:
        return torch.exp(-2 * math.pi**2 * width.square() * squared)

    width = column(lambda camera: (camera.luma_width, camera.chroma_width, camera.chroma_width))
    floor, share = column(lambda camera: camera.floor), column(lambda camera: camera.blotches)
    fine = low_pass(width).square() + floor.square()
    coarse = low_pass(torch.hypot(width, column(lambda camera: camera.blotch_width))).square()
    levelled = coarse * fine.mean((2, 3), keepdim=True) / coarse.mean((2, 3), keepdim=True).clamp(min=1e-9)
    response = torch.lerp(fine, levelled, share).sqrt()
    sharpening = column(lambda camera: (camera.sharpening, 0.0, 0.0))
    return response * (1 + sharpening * (1 - low_pass(torch.ones_like(width))))


class _Columns:
    """Collects one value, or one per channel, of each camera as a tensor (B, 1 or 3, 1, 1)."""

    def __init__(self, cameras: Sequence[Camera], device: torch.device) -> None:
        self._cameras, self.device = cameras, device

    def __call__(self, read: Callable[[Camera], float | tuple[float, ...]]) -> Tensor:
        values = torch.tensor([read(camera) for camera in self._cameras])
        return to_device(values.reshape(len(values), -1, 1, 1), self.device)
