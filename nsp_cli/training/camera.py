"""A simulated camera: sensor noise as a camera's own processing and its JPEG leave it.

`sensor` stops at the demosaiced picture. Cameras go on: they smooth noise, colour more than
brightness and flat areas more than texture, sharpen, and compress. What that does to noise is far
from white: in real pairs of DSLR JPEGs luma noise falls off beyond a quarter of the sampling rate,
and chroma noise is a fifth of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.block_dct import from_luma_chroma, to_luma_chroma
from nsp_cli.photo import jpeg_round_trip
from nsp_cli.training.draws import below, happens, uniform
from nsp_cli.training.sensor import (
    SensorNoise,
    bayer_mask,
    demosaic_bilinear,
    draw_sensor_noise,
    srgb_to_linear,
)

# Where the sRGB curve's slope is taken at the least; in black it would be 12.92, which no camera keeps.
_DARKEST = 0.004
_EDGE = 0.06


@dataclass(frozen=True)
class Camera:
    """How one exposure became noisy. Widths are standard deviations of Gaussians in pixels.

    Attributes:
        sensor: Shot and read noise; only their ratio counts, `luma` and `chroma` say how strong it is.
        phase: Row and column of the sensor's first red pixel, 0 or 1; None for a sensor that sees
            all colours everywhere, which is what a demosaicing better than bilinear comes close to.
        luma, chroma: Levels of the noise in the finished picture, white at 1, chroma per plane.
        luma_width, chroma_width: Of the camera's smoothing.
        floor: Of each frequency's noise, relative to the coarse: what smoothing leaves at the least.
        blotches: Share of noise that is `blotch_width` wide, which noise reduction leaves.
        blotch_width: Its width.
        sharpening: Amount of an unsharp mask of radius 1.
        flat_smoothing: How much more of the noise is smoothed away where the picture is flat, 0 to 1.
        mixing: How far the colour matrix is from none; it makes chroma noise of luma noise.
        quality: Of the JPEG; None for a picture that was merely rounded to 8 bits.
        subsampling: 0 for 4:4:4, 2 for 4:2:0.
        grid: Rows and columns of the picture before the JPEG's first whole 8×8 block.
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
    flat_smoothing: float
    mixing: float
    quality: int | None
    subsampling: int
    grid: tuple[int, int]


def draw_camera(generator: torch.Generator) -> Camera:
    """Draws a camera, an exposure and its processing, from a clean ISO 100 to a phone at night."""

    def between(low: float, high: float) -> float:
        return uniform(low, high, generator)

    def log_uniform(low: float, high: float) -> float:
        return math.exp(between(math.log(low), math.log(high)))

    def chance(share: float) -> bool:
        return happens(share, generator)

    luma = (log_uniform(0.7, 60) if chance(0.7) else log_uniform(10, 70)) / 255
    luma_width = between(0, 1.1) if chance(0.8) else between(1.1, 2.0)
    # Sensors make as much chroma as luma noise; cameras leave a tenth of it, or more than that.
    chroma = luma * (log_uniform(0.08, 0.6) if chance(0.5) else log_uniform(0.5, 1.4))
    return Camera(
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
        flat_smoothing=between(0, 0.9) if chance(0.5) else 0.0,
        mixing=between(0, 1.0),
        quality=round(100 - log_uniform(2, 40)) if chance(0.65) else None,
        subsampling=2 if chance(0.6) else 0,
        # Photos as they come from a camera start with a block, turned and cropped ones anywhere.
        grid=(below(8, generator), below(8, generator)) if chance(0.5) else (0, 0),
    )


def photograph(clean: Tensor, cameras: Sequence[Camera], generators: Sequence[torch.Generator]) -> Tensor:
    """Takes noisy pictures of clean ones.

    Args:
        clean: (B, 3, H, W) sRGB in [0, 1], on the CPU.
        cameras: One for each picture.
        generators: Source of each picture's randomness.

    Returns:
        (B, 3, H, W) sRGB in [0, 1], 8-bit values.
    """
    noise = _processed(clean, cameras, _sensor_noise(clean, cameras, generators))
    noisy = ((clean + noise).clamp(0, 1) * 255).round().to(torch.uint8)
    return torch.stack(list(map(_saved, noisy, cameras))).float() / 255


def _saved(picture: Tensor, camera: Camera) -> Tensor:
    if camera.quality is None:
        return picture
    top, left = ((8 - offset) % 8 for offset in camera.grid)
    pixels = np.pad(picture.permute(1, 2, 0).numpy(), ((top, 0), (left, 0), (0, 0)), mode="edge")
    compressed = jpeg_round_trip(pixels, camera.quality, camera.subsampling)[top:, left:]
    return torch.from_numpy(np.ascontiguousarray(compressed)).permute(2, 0, 1)


def _sensor_noise(clean: Tensor, cameras: Sequence[Camera], generators: Sequence[torch.Generator]) -> Tensor:
    """Returns demosaiced, colour-corrected noise in gamma-coded values; its strength means nothing."""
    white = torch.stack([torch.randn(clean.shape[1:], generator=g) for g in generators])
    gains = _column([(camera.sensor.gains[0], 1.0, camera.sensor.gains[1]) for camera in cameras])
    shot, read = (_column([getattr(camera.sensor, name) for camera in cameras]) for name in ("shot", "read"))
    linear = srgb_to_linear(clean)
    noise = (shot * linear / gains + read).sqrt() * white
    height, width = clean.shape[-2:]
    masks = torch.stack([bayer_mask(height, width, camera.phase or (0, 0)) for camera in cameras])
    has_mosaic = _column([float(camera.phase is not None) for camera in cameras])
    colour = torch.where(has_mosaic > 0, demosaic_bilinear(noise * masks), noise) * gains
    mixing = _column([camera.mixing for camera in cameras])
    # A colour matrix with rows that sum to one amplifies what differs between channels.
    colour = colour + 0.7 * mixing * (colour - colour.mean(1, keepdim=True))
    # The tone curve's slope: (1.055 / 2.4) · x^(1/2.4 − 1).
    return colour * linear.clamp(min=_DARKEST).pow(1 / 2.4 - 1)


def _processed(clean: Tensor, cameras: Sequence[Camera], noise: Tensor) -> Tensor:
    """Smooths and sharpens noise as the cameras do, and makes it as strong as they say."""
    shape = noise.shape[-2:]
    spectrum = torch.fft.rfft2(torch.stack([to_luma_chroma(one) for one in noise]))
    response = torch.stack([_response(camera, shape, extra=0.0) for camera in cameras])
    planes = torch.fft.irfft2(spectrum * response, s=shape)
    flat = _column([camera.flat_smoothing for camera in cameras])
    if bool(flat.any()):
        smooth = torch.stack([_response(camera, shape, extra=1.2) for camera in cameras])
        planes = torch.lerp(planes, torch.fft.irfft2(spectrum * smooth, s=shape), flat * _flatness(clean))
    rms = planes.square().mean((2, 3), keepdim=True).sqrt()
    rms = torch.cat([rms[:, :1], rms[:, 1:].mean(1, keepdim=True).expand(-1, 2, -1, -1)], 1)
    wanted = _column([(camera.luma, camera.chroma, camera.chroma) for camera in cameras])
    return torch.stack([from_luma_chroma(one) for one in planes / rms.clamp(min=1e-9) * wanted])


def _response(camera: Camera, shape: tuple[int, ...] | torch.Size, *, extra: float) -> Tensor:
    """Returns (3, H, W // 2 + 1): what each frequency of luma and chroma is multiplied with."""
    rows, columns = torch.fft.fftfreq(shape[0]), torch.fft.rfftfreq(shape[1])
    squared = rows[:, None] ** 2 + columns[None] ** 2

    def low_pass(width: float) -> Tensor:
        return torch.exp(-2 * (math.pi * width) ** 2 * squared)

    planes = []
    for width in (camera.luma_width, camera.chroma_width, camera.chroma_width):
        fine = (low_pass(math.hypot(width, extra)).square() + camera.floor**2).sqrt()
        coarse = low_pass(math.hypot(width, camera.blotch_width))
        fine_power, coarse_power = fine.square().mean(), coarse.square().mean().clamp(min=1e-9)
        share = camera.blotches
        power = (1 - share) * fine.square() + share * fine_power / coarse_power * coarse.square()
        planes.append(power.sqrt())
    planes[0] = planes[0] * (1 + camera.sharpening * (1 - low_pass(1.0)))
    return torch.stack(planes)


def _flatness(clean: Tensor) -> Tensor:
    """Returns (B, 1, H, W), near 1 where a picture is flat and near 0 at edges and on texture."""
    grey = functional.pad(clean.mean(1, keepdim=True), (2, 2, 2, 2), mode="reflect")
    mean, square = (functional.avg_pool2d(grey**power, 5, 1) for power in (1, 2))
    deviation = (square - mean.square()).clamp(min=0)
    return 1 / (1 + deviation / _EDGE**2 * 4)


def _column(values: Sequence[float] | Sequence[tuple[float, ...]]) -> Tensor:
    """Returns one value, or one per channel, for each picture, to be broadcast over its pixels."""
    return torch.tensor(values).reshape(len(values), -1, 1, 1)
