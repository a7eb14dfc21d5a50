"""Denoises what a Bayer sensor saw, before anything is developed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.banding import offsets_of_rows
from nsp_cli.noise.sensor_noise import MosaicNoise, estimate_sensor_noise
from nsp_cli.ops.bayer import bayer_masks, colour_of_site, demosaic_bilinear
from nsp_cli.ops.block_dct import from_luma_chroma, to_luma_chroma
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.ops.progress import OnProgress, counted
from nsp_cli.ops.transfer import linear_to_srgb
from nsp_cli.photo import CELL_PLACES, Mosaic, SensorColours, SensorPicture
from nsp_cli.restoration.hot_pixels import without_hot_pixels
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.strength import Strength

# Rows that are finished at a time, so that little memory is needed beside the picture.
_STRIP = 256
# Rows beside them that filling in colours looks at; an even number.
_EDGE = 2
# Share of the sensor's white from which a value counts as clipped.
_WHITE = 0.985
# Squares that are enough to know the noise by.
_ENOUGH = 200
# Light of a grey card, at which the noise is told to people.
_GREY = 0.18


@dataclass(frozen=True, eq=False)
class DenoisedMosaic:
    """What became of a mosaic.

    Attributes:
        picture: The full-colour picture, upright, in the light of the sensor.
        noise: The noise that was measured.
        level: Level of the noise of a grey card as developed, in 8-bit steps.
        hot_pixels: Number of hot pixels that were removed.
    """

    picture: SensorPicture
    noise: MosaicNoise
    level: float
    hot_pixels: int = 0

    def describe(self) -> str:
        """Describes the noise in one line for people."""
        if not any(self.noise.slope):
            return "the noise of the sensor could not be measured; only colours are filled in"
        parts = [f"noise of the sensor {self.level:.1f} (of 255) on a grey card"]
        if self.hot_pixels:
            parts.append(f"{counted(self.hot_pixels, 'hot pixel')} removed")
        if self.noise.has_banding:
            parts.append("banding of the sensor stays")
        return "; ".join(parts)


def denoise_mosaic(
    restorer: Restorer,
    mosaic: Mosaic,
    *,
    strength: Strength | None = None,
    noise: MosaicNoise | None = None,
    keep_hot_pixels: bool = False,
    on_progress: OnProgress | None = None,
) -> DenoisedMosaic:
    """Measures the noise of a mosaic, and removes it while the missing colours are filled in.

    Args:
        restorer: RAW network and device.
        mosaic: What the sensor saw.
        strength: How much to remove. Below 1, a share of the noise stays, in luma and in colours. Above 1,
            the network is told that the noise is stronger; luma decides.
        noise: The noise; None to measure it.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.
        on_progress: Called with the photo's pixels done and in total.

    Raises:
        DeviceError: The smallest tile does not fit in memory.
    """
    strength, light, phase = strength or Strength(), torch.from_numpy(mosaic.light()), mosaic.first_red
    gains = mosaic.colours.gains / mosaic.colours.gains[1]
    noise = noise or _noise_of(mosaic, light)
    hot = 0 if keep_hot_pixels else without_hot_pixels(light, noise, phase, tuple(gains.tolist()))
    for site, place in enumerate(CELL_PLACES):
        light[place] *= float(gains[colour_of_site(site, phase)])
    told = noise.of_sites(tuple(gains.tolist())) * strength.at_least_one.luma**2
    clean = restorer.demosaic(light, told, phase=phase, on_progress=on_progress)
    _keep_clipped(clean, light, phase, torch.from_numpy(gains))
    _keep_some(clean, light, phase, strength)
    picture = SensorPicture(mosaic.upright(_as_sensor(clean, gains)), mosaic.colours, mosaic.exposure)
    return DenoisedMosaic(picture, noise, level_on_grey_card(noise, mosaic.colours), hot)


def measure_noise(mosaic: Mosaic) -> MosaicNoise:
    """Noise of a mosaic; that of rounding alone, of no squares, if too little is flat.

    Places whose noise the file cuts off at 0 would tell too little of it. They are left out while enough
    others are there; a dark photo has no others.
    """
    return _noise_of(mosaic, torch.from_numpy(mosaic.light()))


def _noise_of(mosaic: Mosaic, light: Tensor) -> MosaicNoise:
    """As `measure_noise`, of the light of a mosaic."""
    step = 1 / mosaic.white
    lowest = -float(mosaic.black.min()) / mosaic.white
    found = estimate_sensor_noise(light, mosaic.first_red, step=step, lowest=lowest)
    if found is None or found.squares < _ENOUGH:
        found = estimate_sensor_noise(light, mosaic.first_red, step=step) or found
    found = found or MosaicNoise((0.0,) * 3, (step**2 / 12,) * 3, 0)
    rows, columns = (offsets_of_rows(one, found.slope[1], found.floor[1]) for one in (light, light.T))
    return replace(found, rows=rows, columns=columns)


def _keep_clipped(clean: Tensor, light: Tensor, phase: tuple[int, int], gains: Tensor) -> None:
    """Leaves a colour at the sensor's white where all of its values around a pixel are, in place."""
    for top in range(0, len(light), _STRIP):
        first, last = max(0, top - _EDGE), top + _STRIP + _EDGE
        part, white = light[first:last], _WHITE * gains[:, None, None]
        if not (part >= white.min()).any():
            continue
        masks = bayer_masks(part.shape[0], part.shape[1], [phase], part.device)[0]
        others = functional.max_pool2d(masks * (part < white), 2 * _EDGE + 1, 1, _EDGE)
        is_white = (others == 0)[:, top - first :][:, :_STRIP]
        rows = clean[:, top : top + _STRIP]
        rows.copy_(torch.where(is_white, rows.maximum(gains[:, None, None]), rows))


def _keep_some(clean: Tensor, light: Tensor, phase: tuple[int, int], strength: Strength) -> None:
    """Adds the share of the noise that a strength below 1 keeps to a picture (3, H, W), in place."""
    kept = 1 - torch.tensor([strength.luma, strength.chroma, strength.chroma]).clamp(max=1)
    if not kept.any():
        return
    before = clean[:, :0]
    for top in range(0, len(light), _STRIP):
        first, last = max(0, top - _EDGE), top + _STRIP + _EDGE
        read = torch.cat([before[:, before.shape[1] - (top - first) :], clean[:, top:last]], dim=1)
        masks = bayer_masks(read.shape[1], read.shape[2], [phase], read.device)[0]
        removed = demosaic_bilinear((light[first:last] - read) * masks)[:, top - first :][:, :_STRIP]
        before = clean[:, top : top + _STRIP].clone()
        clean[:, top : top + _STRIP] += from_luma_chroma(kept[:, None, None] * to_luma_chroma(removed))


def _as_sensor(clean: Tensor, gains: Pixels) -> Pixels:
    """(H, W, 3) uint16 in the light of the sensor, from a balanced picture (3, H, W)."""
    pixels = clean.movedim(0, -1).numpy()
    result = np.empty(pixels.shape, np.uint16)
    for top in range(0, len(pixels), _STRIP):
        rows = slice(top, top + _STRIP)
        result[rows] = np.rint((pixels[rows] * (65535 / gains)).clip(0, 65535))
    return result


def level_on_grey_card(noise: MosaicNoise, colours: SensorColours) -> float:
    """Level of the noise of a grey card after development, in 8-bit steps: the mean over the colours."""
    gains = (colours.gains / colours.gains[1]).tolist()
    deviations = torch.tensor([noise.deviation(n, _GREY / gain) * gain for n, gain in enumerate(gains)])
    low, high = (linear_to_srgb((_GREY + sign * deviations).clamp(0, 1)) for sign in (-1, 1))
    return 255 * float(((high - low) / 2).square().mean().sqrt())
