"""Scores the ways from a RAW file to a picture on simulated sensors, with photos as the scenes.

    python benchmarks/simulated_raw.py PHOTOS... [--model nsp-raw.safetensors ...] [--side 1024]
        [--told] [--planes]

Give sharp photos without noise that no weights learned from; folders stand for the photos in them that
`train_raw.py` holds out. Each photo is blurred a little, as by a lens, and taken by a sensor of 4,000, 1,000
and 250 electrons at white (about ISO 1600, 6400, 25600). Prints PSNR and SSIM of sRGB beside the full-colour
picture that the lens shows: of LibRaw's development, of that denoised by nsp-fast, of RAW networks, and of
LibRaw's development of a mosaic without noise. With --planes also of the mosaic whose planes nsp-fast
denoised after a variance-stabilising transform. All are developed alike, by LibRaw.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor
from train_raw import is_held_out
from variance_stabilised import denoised_planes

from nsp_cli import denoise, load_weights
from nsp_cli.evaluation.metrics import psnr, ssim
from nsp_cli.noise.sensor_noise import MosaicNoise, estimate_sensor_noise
from nsp_cli.ops.bayer import bayer_masks
from nsp_cli.ops.pixels import from_unit_range, pixels_to_tensor, to_unit_range
from nsp_cli.ops.transfer import srgb_to_linear
from nsp_cli.photo import read_photo
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.blur import gaussian_blurred

# Electrons at white, and read noise in electrons.
SENSORS = {1600: (4000, 3.0), 6400: (1000, 2.5), 25600: (250, 2.0)}
BLUR = 0.6
BLACK, WHITE = 512, 2**14 - 1
STEPS = WHITE - BLACK
# Sony's matrix for an ILCE-7M3 under D65, from XYZ, and its usual daylight balance.
MATRIX = np.array([[0.7374, -0.2389, -0.0551], [-0.5435, 1.3162, 0.2519], [-0.1006, 0.1795, 0.6552]])
GAINS = np.array([2.3, 1.0, 1.6])
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def sensor_light(path: Path, side: int) -> Tensor:
    """What the sensor sees of the middle of a photo, (3, H, W), with white of each colour at 1 / gain."""
    pixels = pixels_to_tensor(read_photo(path).pixels)
    top, left = ((size - side) // 4 * 2 if size > side else 0 for size in pixels.shape[1:])
    crop = to_unit_range(pixels[:, top : top + side, left : left + side])
    return light_of(crop[:, : crop.shape[1] // 8 * 8, : crop.shape[2] // 8 * 8])


def light_of(picture: Tensor) -> Tensor:
    """What the sensor sees of a picture (3, H, W) sRGB in [0, 1], as `sensor_light`."""
    [light] = gaussian_blurred(srgb_to_linear(picture)[None], [BLUR], 3)
    colours = MATRIX @ SRGB_TO_XYZ
    colours = colours / colours.sum(1, keepdims=True) / GAINS[:, None]
    return torch.einsum("ij,jhw->ihw", torch.from_numpy(colours).float(), light).clamp(0, 1)


def write_file(path: Path, light: Tensor, black: int, white: int) -> Path:
    """Writes a DNG of a mosaic (H, W), or of all colours (3, H, W), as integers from black to white."""
    stored = light.numpy().round().clip(0, white).astype(np.uint16)
    is_mosaic, count = stored.ndim == 2, 1 if stored.ndim == 2 else 3
    tags: list[tuple[Any, ...]] = [
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50708, 2, 0, "A simulated camera", True),
        (50714, 3, count, (black,) * count if count > 1 else black, True),
        (50717, 4, count, (white,) * count if count > 1 else white, True),
        (50721, 10, 9, _fractions(MATRIX), True),
        (50728, 5, 3, _fractions(1 / GAINS), True),
        (50778, 3, 1, 21, True),
    ]
    if is_mosaic:
        tags += [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True)]
    else:
        stored = stored.transpose(1, 2, 0)
    kind = 32803 if is_mosaic else 34892
    tifffile.imwrite(path, stored, photometric=kind, metadata=None, extratags=tags, software=False)
    return path


def _fractions(values: Any) -> list[int]:
    return [part for value in values.ravel() for part in (round(value * 10**6), 10**6)]


def developed(path: Path) -> Tensor:
    """LibRaw's development as nsp reads it, (3, H, W) uint8."""
    return from_unit_range(to_unit_range(pixels_to_tensor(read_photo(path).pixels)), torch.uint8)


def exposed(light: Tensor, electrons: float, read: float, generator: torch.Generator) -> Tensor:
    """Counts of a sensor, (H, W), from black on; electrons of infinity give no noise."""
    mosaic = (light * masks_of(light[0])).sum(0)
    if electrons < float("inf"):
        counted = torch.poisson(mosaic * electrons, generator)
        mosaic = (counted + read * torch.randn(mosaic.shape, generator=generator)) / electrons
    return mosaic * STEPS + BLACK


def masks_of(mosaic: Tensor) -> Tensor:
    """Masks (3, H, W) of a mosaic's colours."""
    height, width = mosaic.shape
    return bayer_masks(height, width, [(0, 0)], mosaic.device)[0]


def noise_of(mosaic: Tensor, told: tuple[float, float] | None) -> MosaicNoise:
    """Noise of a mosaic (H, W): measured, or from electrons at white and read noise in electrons."""
    if told is not None:
        electrons, read = told
        return MosaicNoise((1 / electrons,) * 3, ((read / electrons) ** 2,) * 3, 0)
    noise = estimate_sensor_noise(mosaic, step=1 / STEPS)
    assert noise is not None
    return noise


def restored(restorer: Restorer, mosaic: Tensor, noise: MosaicNoise) -> Tensor:
    """Result of a RAW network on a mosaic (H, W), in the sensor's own colours, (3, H, W)."""
    gains = torch.from_numpy(GAINS).float()
    gain = (gains[:, None, None] * masks_of(mosaic)).sum(0)
    sites = noise.of_sites(tuple(GAINS.tolist()))
    return restorer.demosaic(mosaic * gain, sites) / gains[:, None, None]


def results(
    restorers: dict[str, Restorer], noisy: Path, told: tuple[float, float] | None, with_planes: bool
) -> Iterator[tuple[str, Tensor]]:
    """Yields the name and the developed picture of each way with a network."""
    mosaic = (torch.from_numpy(tifffile.imread(noisy).astype(np.float32)) - BLACK) / STEPS
    noise, result = noise_of(mosaic, told), noisy.with_name("result.dng")
    for name, restorer in restorers.items():
        if restorer.spec.is_raw:
            seen = restored(restorer, mosaic, noise)
            yield name, developed(write_file(result, 65535 * seen, 0, 65535))
            continue
        pixels = pixels_to_tensor(denoise(read_photo(noisy).pixels, restorer))
        yield name, from_unit_range(to_unit_range(pixels), torch.uint8)
        if with_planes:
            clean = denoised_planes(restorer, mosaic, noise, torch.from_numpy(GAINS).float())
            yield f"{name} planes", developed(write_file(result, 65535 * clean, 0, 65535))


def score(
    path: Path, restorers: dict[str, Restorer], folder: Path, given: argparse.Namespace
) -> Iterator[Any]:
    """Yields ISO, way, PSNR and SSIM of a photo."""
    light = sensor_light(path, given.side)
    truth = developed(write_file(folder / "truth.dng", 65535 * light, 0, 65535))

    def compared(picture: Tensor) -> tuple[float, float]:
        return psnr(picture, truth), ssim(picture, truth)

    still = exposed(light, float("inf"), 0, torch.Generator())
    without_noise = developed(write_file(folder / "still.dng", still, BLACK, WHITE))
    for iso, (electrons, read) in SENSORS.items():
        counts = exposed(light, electrons, read, generator_for(0, iso))
        noisy = write_file(folder / "noisy.dng", counts, BLACK, WHITE)
        yield iso, "LibRaw", *compared(developed(noisy))
        yield iso, "noise-free", *compared(without_noise)
        told = (electrons, read) if given.told else None
        for name, picture in results(restorers, noisy, told, given.planes):
            yield iso, name, *compared(picture)


def main() -> None:
    """Reads the options and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--told", action="store_true", help="tell networks the noise instead of measuring it")
    parser.add_argument("--planes", action="store_true", help="also denoise the planes of the mosaic")
    given = parser.parse_args()
    paths = [path for one in given.photos for path in (sorted(one.iterdir()) if one.is_dir() else [one])]
    paths = [path for path in paths if path in given.photos or is_held_out(path)]
    restorers = {Path(name).stem: load_weights(name) for name in given.model}
    scores: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            for iso, way, *values in score(path, restorers, Path(folder), given):
                scores[iso, way].append((values[0], values[1]))
                print(f"{path.stem:16} {iso:6} {way:14} {values[0]:6.2f} {values[1]:.4f}", flush=True)
    print()
    for (iso, way), values in scores.items():
        lost = sum(value[0] < own[0] for value, own in zip(values, scores[iso, "LibRaw"], strict=True))
        mean = " ".join(f"{fmean(column):.4f}"[:6] for column in zip(*values, strict=True))
        print(f"{iso:6} {way:14} {mean}  below LibRaw: {lost} of {len(values)}")


if __name__ == "__main__":
    main()
