"""Plots radial spectra of real and simulated noise.

    python benchmarks/noise_spectra.py PLOT.png NAME=NOISY,CLEAN [NAME=NOISY,CLEAN ...]

Real noise is noisy minus clean. The simulated camera works on the clean pictures with the ranges of a
student's training samples, and JPEG with standard tables.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.ops.block_dct import to_luma_chroma
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.training.simulation.camera import camera_noise, draw_camera
from nsp_cli.training.simulation.jpeg_compression import compress, draw_compression
from nsp_cli.training.simulation.noise_reduction import draw_noise_reduction, reduced_noise

SIDE = 128
RINGS = 24
CAMERAS = 40


def radial_level(noise: Tensor) -> Tensor:
    """Level in luma and chroma by frequency, in 8-bit steps as if the noise were white: (2, RINGS)."""
    planes = to_luma_chroma(noise)
    power = torch.fft.fft2(planes).abs().square() / SIDE**2
    frequency = torch.fft.fftfreq(SIDE)
    radius = (frequency[:, None] ** 2 + frequency[None] ** 2).sqrt()
    ring = (radius / 0.5 * RINGS).long()
    rings = torch.stack([power[:, ring == index].mean(1) for index in range(RINGS)], 1)
    return torch.stack([rings[0], rings[1:].mean(0)]).sqrt() * 255


def crop_of(noisy: Path, clean: Path) -> tuple[Tensor, Tensor]:
    """Middle of a pair, in [0, 1]."""
    pair = [to_unit_range(picture) for picture in read_pair(noisy, clean)]
    top, left = ((size - SIDE) // 2 for size in pair[0].shape[1:])
    return pair[0][:, top : top + SIDE, left : left + SIDE], pair[1][:, top : top + SIDE, left : left + SIDE]


def simulated(clean: Tensor, seed: int) -> Tensor:
    """Noise of several simulated cameras on a picture: (CAMERAS, 3, SIDE, SIDE)."""
    generators = [torch.Generator().manual_seed(seed * CAMERAS + index) for index in range(CAMERAS)]
    cameras = [draw_camera(generator) for generator in generators]
    noise = camera_noise(clean.expand(CAMERAS, -1, -1, -1), cameras, generators)
    noise = torch.stack(
        [
            reduced_noise(one, clean, draw_noise_reduction(own))
            for one, own in zip(noise, generators, strict=True)
        ]
    )
    return compress(clean + noise, [draw_compression((), own) for own in generators]) - clean


def main() -> None:
    """Draws a panel for each set: spectra of real noise over the range of simulated noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plot", type=Path)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--every", type=int, default=6)
    given = parser.parse_args()
    figure = Figure(figsize=(9, 3.2 * len(given.sets)), layout="constrained")
    panels = figure.subplots(len(given.sets), 2, squeeze=False)
    frequency = (torch.arange(RINGS) + 0.5) / RINGS / 2
    for row, entry in zip(panels, given.sets, strict=True):
        name, folders = entry.split("=", 1)
        crops = [crop_of(*pair) for pair in find_pairs(*map(Path, folders.split(",")))[:: given.every]]
        drawn = torch.cat([simulated(clean, seed) for seed, (_, clean) in enumerate(crops)])
        cover = torch.stack([radial_level(noise) for noise in drawn])
        for plane, (axes, colour) in enumerate(zip(row, ("luma", "chroma"), strict=True)):
            low, high = torch.quantile(cover[:, plane], torch.tensor([0.02, 0.98]), dim=0)
            axes.fill_between(frequency, low, high, alpha=0.2, label="simulated, 96 of 100")
            for noisy, clean in crops:
                axes.plot(frequency, radial_level(noisy - clean)[plane], color="C1", lw=0.8)
            axes.set(
                title=f"{name}, {colour}", xlabel="cycles per pixel", ylabel="level (of 255)", yscale="log"
            )
            axes.legend(["simulated, 96 of 100", "real"])
    figure.savefig(given.plot, dpi=100)


if __name__ == "__main__":
    main()
