"""Denoises a Bayer mosaic with a student for pictures: stabilise the variance, denoise the planes, go back.

What is simplest for RAW, and what `simulated_raw.py --planes` compares the RAW network with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.conditioning import bands_of_residual
from nsp_cli.noise.estimation import BLOCK_SIDE
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.noise.sensor_noise import MosaicNoise
from nsp_cli.ops.bayer import CELL_SIDE, SITES
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.seeded_random import generator_for

# Side of the noise by which the student is told how strong it is.
_SAMPLE = 256


def denoised_planes(restorer: Restorer, mosaic: Tensor, noise: MosaicNoise, gains: Tensor) -> Tensor:
    """Denoises red, green and blue planes as pictures of half the size, once with each green.

    Args:
        restorer: A student that is told the noise.
        mosaic: (H, W) linear, before white balance, black 0, white 1; red first.
        noise: Its noise.
        gains: (3,) white-balance gains.

    Returns:
        The mosaic without noise; red and blue are the means of both pictures.
    """
    cells = functional.pixel_unshuffle(mosaic[None], CELL_SIDE)
    scales = [_Scale(noise.slope[colour], noise.floor[colour], float(gains[colour])) for colour in SITES]
    stable = torch.stack([scale.forth(plane) for scale, plane in zip(scales, cells, strict=True)])
    told = _noise_map(stable.shape[1:], [scales[site].deviation for site in (0, 1, 3)])
    clean = torch.stack(
        [restorer.denoise(stable[[0, green, 3]].clamp(0, 1), mode="direct", noise=told) for green in (1, 2)]
    )
    red, blue = clean[:, 0].mean(0), clean[:, 2].mean(0)
    planes = zip(scales, (red, clean[0, 1], clean[1, 1], blue), strict=True)
    back = torch.stack([scale.back(plane) for scale, plane in planes])
    return functional.pixel_shuffle(back, CELL_SIDE)[0]


class _Scale:
    """The generalised Anscombe transform of a plane, with black at 0 and its balanced white at 1."""

    def __init__(self, slope: float, floor: float, gain: float) -> None:
        self._slope, self._floor = slope, floor
        self._black = float(self._root(torch.zeros(())))
        self._length = float(self._root(torch.tensor(1 / gain))) - self._black
        self.deviation = 1 / self._length

    def _root(self, plane: Tensor) -> Tensor:
        electrons = plane / self._slope + self._floor / self._slope**2
        return 2 * (electrons + 3 / 8).clamp(min=0).sqrt()

    def forth(self, plane: Tensor) -> Tensor:
        return (self._root(plane) - self._black) / self._length

    def back(self, plane: Tensor) -> Tensor:
        """The asymptotically unbiased inverse."""
        electrons = (plane * self._length + self._black).square() / 4 - 1 / 8
        return self._slope * electrons - self._floor / self._slope


def _noise_map(size: torch.Size, deviations: list[float]) -> NoiseMap:
    """The map of white noise with these deviations in red, green and blue."""
    sample = torch.randn(3, _SAMPLE, _SAMPLE, generator=generator_for(0))
    bands = bands_of_residual(sample * torch.tensor(deviations)[:, None, None])
    rows, columns = (-(-side // BLOCK_SIDE) for side in size)
    return NoiseMap(bands[:, None, None].expand(-1, rows, columns).contiguous())
