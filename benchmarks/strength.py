"""PSNR against --strength over folders of noisy and clean pictures, as a table and a plot.

python benchmarks/strength.py OUT.png NAME=NOISY,CLEAN [NAME=NOISY,CLEAN ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure
from torch import Tensor

from nsp_cli import Strength, load_weights
from nsp_cli.evaluate import find_pairs
from nsp_cli.metrics import psnr
from nsp_cli.noise_aware import choose_treatment
from nsp_cli.photo import read_photo, to_bit_depth
from nsp_cli.recover import recover
from nsp_cli.restore import Restorer, pixels_to_tensor

STRENGTHS = (0, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2)


def read(path: Path) -> Tensor:
    """Returns (3, H, W) uint8."""
    return pixels_to_tensor(to_bit_depth(read_photo(path), 8).pixels)


def scores(restorer: Restorer, noisy: Tensor, clean: Tensor) -> list[float]:
    """Returns PSNR at every strength; the network runs once."""
    treatment = choose_treatment(noisy)
    if treatment.mode is None:
        return [psnr(noisy, clean)] * len(STRENGTHS)
    prediction = restorer.denoise(noisy, mode=treatment.mode)
    return [
        psnr(recover(noisy, prediction, treatment.noise, Strength(s, s)) if s else noisy, clean)
        for s in STRENGTHS
    ]


def main() -> None:
    """Prints and draws the mean over each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plot", type=Path)
    parser.add_argument("sets", nargs="+")
    arguments = parser.parse_args()
    restorer = load_weights()
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(arguments.sets), squeeze=False)[0]
    print("strength", *STRENGTHS)
    for panel, entry in zip(panels, arguments.sets, strict=True):
        name, folders = entry.split("=", 1)
        pairs = find_pairs(*map(Path, folders.split(",")))
        rows = [scores(restorer, read(noisy), read(clean)) for noisy, clean in pairs]
        means = [fmean(column) for column in zip(*rows, strict=True)]
        print(name, *(f"{mean:.2f}" for mean in means))
        panel.plot(STRENGTHS, means, "o-")
        panel.axvline(1, color="0.8")
        panel.set(title=f"{name} ({len(pairs)})", xlabel="--strength", ylabel="PSNR (dB)")
    figure.savefig(arguments.plot, dpi=100)


if __name__ == "__main__":
    main()
