"""Says by which share t a mosaic's noise is best split for training.

    python benchmarks/raw_splits.py PHOTOS [--batches 12]

PHOTOS holds sharp photos without noise that nsp-raw did not learn from (those that `train_raw.py` holds out).
They are blurred, which nsp-raw does not know, and exposed by simulated cameras. The direction to learn is the
mean gradient of the error beside the truth, of other batches. For each t, prints the cosine of it and the
gradient of one batch whose noise is split: how much of a step goes the right way.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from train_raw import is_held_out

from nsp_cli.ops.pixels import pixels_to_tensor, to_unit_range
from nsp_cli.photo import read_photo
from nsp_cli.training.raw.own_task import OwnBatch
from nsp_cli.training.raw.splitting import MosaicCrops, own_colours
from nsp_cli.training.seeded_random import generator_for, random_below
from nsp_cli.training.simulation.mosaic import camera_light, exposed, sensor_noise_of
from nsp_cli.training.simulation.raw_camera import draw_raw_camera
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve

SHARES = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5)
CROP, BATCH, BLUR = 128, 8, 1.8


def crops_of(photos: list[Tensor], seed: int) -> MosaicCrops:
    """Crops of photos as simulated cameras see them; what is expected of them is the truth."""
    generators = [generator_for(seed, number) for number in range(BATCH)]
    cameras = [replace(draw_raw_camera(own), blur=BLUR, exposure=0.8) for own in generators]
    pictures = torch.stack([_cut(photos[random_below(len(photos), own)], own) for own in generators])
    light = camera_light(pictures, cameras)
    whites = torch.tensor([camera.gains for camera in cameras])
    lowest = torch.tensor([-camera.black / camera.levels for camera in cameras])
    mosaics = exposed(light, cameras, generators)
    return MosaicCrops(mosaics, own_colours(light), sensor_noise_of(cameras), whites, lowest)


def _cut(photo: Tensor, generator: torch.Generator) -> Tensor:
    top, left = (random_below(size - CROP + 1, generator) for size in photo.shape[1:])
    return photo[:, top : top + CROP, left : left + CROP]


def gradient(network: torch.nn.Module, crops: MosaicCrops, share: float | None, seed: int) -> Tensor:
    """Gradient of a batch whose noise is split by a share; None for the error beside the truth."""
    split = crops.split(share or 1.0, [generator_for(seed, number, 1) for number in range(BATCH)])
    if share is None:
        nothing = torch.zeros_like(split.known)
        split = replace(split, given=crops.light, told=crops.noise, target=crops.expected, known=nothing)
    with torch.no_grad():
        truth = replace(split, target=crops.expected, known=torch.zeros_like(split.known))
        errors = truth.error(network(*truth_inputs(crops)))
    batch = OwnBatch.of(split, errors)
    found = torch.autograd.grad(batch.loss(network(*batch.inputs)), list(network.parameters()))
    return torch.cat([part.flatten() for part in found])


def truth_inputs(crops: MosaicCrops) -> tuple[Tensor, Tensor]:
    """What the network takes of crops as they are."""
    return crops.light, crops.noise


def main() -> None:
    """Prints a line for each t."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--batches", type=int, default=12)
    given = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(path for path in given.photos.iterdir() if is_held_out(path))
    photos = [to_unit_range(pixels_to_tensor(read_photo(path).pixels)) for path in paths]
    network = load_network(resolve("nsp-raw").path)[0].train()
    numbers = range(given.batches)
    right = torch.stack([gradient(network, crops_of(photos, 1000 + n), None, n) for n in numbers]).sum(0)
    batches = [crops_of(photos, n) for n in numbers]
    for share in (None, *SHARES):
        cosines = [
            float(torch.cosine_similarity(gradient(network, batches[n], share, n), right, dim=0))
            for n in numbers
        ]
        print(f"{share or 'truth':>6}  {fmean(cosines):.3f}", flush=True)


if __name__ == "__main__":
    main()
