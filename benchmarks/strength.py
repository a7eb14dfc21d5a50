"""Plots and prints PSNR against `--strength` for folders of noisy and clean pictures.

python benchmarks/strength.py OUT.png NAME=NOISY,CLEAN [NAME=NOISY,CLEAN ...] [--every N]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure
from torch import Tensor

from nsp_cli import Strength, load_weights
from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer

STRENGTHS = (0, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2)


def scores(restorer: Restorer, noisy: Tensor, clean: Tensor) -> list[float]:
    """PSNR at every strength."""
    results = [pipeline.denoise_tensor(restorer, noisy, strength=Strength(s, s))[0] for s in STRENGTHS]
    return [psnr(result, clean) for result in results]


def main() -> None:
    """Prints and plots the mean over each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plot", type=Path)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--every", type=int, default=5)
    arguments = parser.parse_args()
    restorer = load_weights()
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(arguments.sets), squeeze=False)[0]
    print("strength", *STRENGTHS)
    for panel, entry in zip(panels, arguments.sets, strict=True):
        name, folders = entry.split("=", 1)
        pairs = find_pairs(*map(Path, folders.split(",")))[:: arguments.every]
        rows = [scores(restorer, *read_pair(*pair)) for pair in pairs]
        means = [fmean(column) for column in zip(*rows, strict=True)]
        print(name, *(f"{mean:.2f}" for mean in means))
        panel.plot(STRENGTHS, means, "o-")
        panel.axvline(1, color="0.8")
        panel.set(title=f"{name} ({len(pairs)})", xlabel="--strength", ylabel="PSNR (dB)")
    figure.savefig(arguments.plot, dpi=100)


if __name__ == "__main__":
    main()
