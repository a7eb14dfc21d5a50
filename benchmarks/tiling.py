"""Measures how much tiles change the result: for no network more than rounding does.

    python benchmarks/tiling.py [--photo PHOTO] [--tile PIXELS]

The TBSN has random weights, because no trained one is available. It goes layer by layer (`tbsn_tiles.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.ops.pixels import pixels_to_tensor
from nsp_cli.photo import read_photo
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.noise_mapping import map_noise

SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "sample_noisy.jpg"
WHOLE = 1 << 20
CPU = torch.device("cpu")


def tbsn(tile: int) -> Restorer:
    """Full-size TBSN with the same random weights every time."""
    torch.manual_seed(0)
    config = TbsnConfig()
    return Restorer(config.build(), config.spec(), Execution(CPU, torch.float32, tile))


def dbsn(tile: int) -> Restorer:
    """Bundled blind-spot network."""
    return load_weights("nsp-light", device="cpu", precision="float32", tile=tile)


def student(tile: int) -> Restorer:
    """Bundled student."""
    return load_weights("nsp-fast", device="cpu", precision="float32", tile=tile)


def restore(restorer: Restorer, photo: Tensor) -> Tensor:
    """Prediction of the network alone."""
    if restorer.spec.is_noise_conditioned:
        return restorer.denoise(photo, mode="direct", noise=map_noise(photo))
    return restorer.denoise(photo)


def main() -> None:
    """Prints how tiles differ from one whole pass, also relative to the result's standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=SAMPLE)
    parser.add_argument("--tile", type=int, default=128)
    arguments = parser.parse_args()
    photo = pixels_to_tensor(read_photo(arguments.photo).pixels).float() / 255
    for name, make in (("nsp-light", dbsn), ("nsp-fast", student), ("TBSN, random weights", tbsn)):
        whole = restore(make(WHOLE), photo)
        difference = restore(make(arguments.tile), photo) - whole
        rms, largest = float(difference.square().mean().sqrt()), float(difference.abs().max())
        print(f"{name}, {arguments.tile}-pixel cores against one whole pass: at most {largest:.1e},")
        print(f"    rms {rms:.1e}, which is {rms / float(whole.std()):.2%} of the result's deviation")


if __name__ == "__main__":
    main()
