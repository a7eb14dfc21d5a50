"""Compares the measured noise of simulated sensors with what they have, on photos and on texture.

    python benchmarks/sensor_noise.py PHOTOS... [--every 1] [--side 1024] [--heaps 12] [--sands 6] [--each]

Photos must be sharp and without noise. Heaps are gravel, leaves, grass and the like (`draw_heap`); sands are
texture of one to eight pixels everywhere, of 4 to 30 % contrast. A photo or scene is blurred as by a lens
and taken at ISO 50 to 25,600 by a full-frame sensor, as in `simulated_raw.py`. Prints the ratio of measured
and true slope, floor (variances) and noise of a grey card (deviation): median, 5 %, 95 %, and the ends.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from simulated_raw import BLACK, STEPS, WHITE, exposed, light_of, sensor_light
from torch import Tensor

from nsp_cli.noise.sensor_noise import estimate_sensor_noise
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.blur import gaussian_blurred
from nsp_cli.training.simulation.heap import draw_heap

# Electrons at white at ISO 1, and read noise in electrons at each ISO.
FULL = 6_400_000
READ = {50: 6.0, 100: 5.0, 400: 4.0, 1600: 3.0, 6400: 2.5, 25600: 2.0}
GREY = 0.18
HEAP_SIDE = 512


def sand(side: int, number: int) -> Tensor:
    """Texture of all widths from a pixel up, on a ground that changes slowly: (3, S, S) sRGB."""
    generator, contrast = generator_for(1, number), (0.04, 0.08, 0.15, 0.3)[number % 4]
    layers = gaussian_blurred(torch.randn(3, 1, side, side, generator=generator), [0.4, 0.8, 1.6], 6)
    texture = (layers / layers.std((1, 2, 3), keepdim=True)).mean(0) * contrast * 3**0.5
    ground = torch.linspace(0.25, 0.65, side).expand(side, side)
    colour = torch.tensor([1.0, 0.93, 0.8])[:, None, None]
    return (colour * ground * texture.exp()).clamp(0, 1)


def scenes(given: argparse.Namespace) -> Iterator[tuple[str, str, Tensor]]:
    """Yields kind, name and light of each scene."""
    paths = [path for one in given.photos for path in (sorted(one.iterdir()) if one.is_dir() else [one])]
    for path in paths[:: given.every]:
        yield "photo", path.stem, sensor_light(path, given.side)
    for number in range(given.heaps):
        yield "heap", f"heap {number}", light_of(draw_heap(HEAP_SIDE, generator_for(0, number)))
    for number in range(given.sands):
        yield "sand", f"sand {number}", light_of(sand(given.side, number))


def ratios(light: Tensor, iso: int) -> tuple[float, float, float] | None:
    """Measured over true slope, floor and deviation of a grey card; None if nothing is measured."""
    electrons = FULL / iso
    counts = exposed(light, electrons, READ[iso], generator_for(0, iso)).round().clamp(0, WHITE)
    found = estimate_sensor_noise((counts - BLACK) / STEPS, step=1 / STEPS, lowest=-BLACK / STEPS)
    if found is None:
        return None
    slope, floor = 1 / electrons, (READ[iso] / electrons) ** 2 + 1 / (12 * STEPS**2)
    return (
        found.slope[1] / slope,
        found.floor[1] / floor,
        found.deviation(1, GREY) / (slope * GREY + floor) ** 0.5,
    )


def table(found: dict[tuple[str, int], list[tuple[float, float, float]]]) -> None:
    """Prints a line for each kind, ISO and number."""
    share = torch.tensor([0.5, 0.05, 0.95, 0.0, 1.0])
    print(f"{'':20} {'median':>8} {'5 %':>7} {'95 %':>7} {'least':>7} {'most':>7}")
    for (kind, iso), values in sorted(found.items()):
        for name, column in zip(("slope", "floor", "grey"), torch.tensor(values).T, strict=True):
            cells = " ".join(f"{value:7.2f}" for value in column.quantile(share).tolist())
            print(f"{kind:6} {iso:6} {name:6} {cells}  of {len(values)}")


def main() -> None:
    """Reads the options and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--heaps", type=int, default=12)
    parser.add_argument("--sands", type=int, default=6)
    parser.add_argument("--each", action="store_true", help="print each scene as well")
    given = parser.parse_args()
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
    for kind, name, light in scenes(given):
        for iso in READ:
            values = ratios(light, iso)
            if values is not None:
                found[kind, iso].append(values)
            if given.each:
                cells = "none" if values is None else " ".join(f"{value:7.2f}" for value in values)
                print(f"{name:24} {iso:6} {cells}", flush=True)
    table(found)


if __name__ == "__main__":
    main()
