"""Finds the limits for hot pixels of developed photos again, on simulations; prints them beside those in use.

    python benchmarks/set_hot_pixels.py FOLDER [--scenes 200]

Give a folder of sharp training photos without noise. A simulated camera takes parts of them, and flat places,
with hot pixels, with stars and with lamps of one colour. Of all limits under which

- in 10 megapixels of clean photos, of the same with the noise of a camera, and of drawings, prints and text
  on a screen, at most one dot is found,
- 99 % of the stars and lamps stay that a lens spreads by a Gaussian of 0.8 pixels or more, and 95 % of the
  sharper stars,

those are chosen that find most hot pixels. Every other scene and photo is for choosing, the rest for scores.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from hot_pixel_scenes import GRAPHICS, draw_finish, draw_graphics, hot_scene, lit_scene, to_bytes
from torch import Tensor

from nsp_cli.ops.pixels import pixels_to_tensor, to_unit_range
from nsp_cli.photo import PHOTO_SUFFIXES, read_photo
from nsp_cli.restoration.hot_dots import LIMITS, DotLimits, Peaks, find_peaks
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.camera import camera_noise, draw_camera

TRIED = {
    "least": (20 / 255, 28 / 255),
    "uneven": (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
    "tail": (0.06, 0.07, 0.08, 0.09, 0.1, 0.12),
    "faintest": (0.2, 0.3),
    "corners": (0.8, 1.0),
    # Less than this would lose dots of 180 levels in noise of 9, which tests want to be found. More would
    # lose stars whose other colours are a third of the strongest.
    "askew": (0.25, 0.3, 0.4),
    "others": (0.2, 0.25),
}
# Most dots in a megapixel; most lamps and stars of a width that are lost, and most sharper stars.
MOST_PER_MP, MOST_LOST, WIDE, MOST_SHARP_LOST = 0.1, 0.01, 0.8, 0.05
WIDTHS = ((0.6, 0.8), (0.8, 0.9), (0.9, 1.1), (1.1, 1.5))
# Side of the parts of photos that get noise, and the distance at which a peak belongs to a spot.
NOISY_SIDE, NEAR = 512, 2


class Peaked(NamedTuple):
    """Peaks of pictures: their shapes (7, N), the spot that each is at (N), and how much there is.

    In pictures without spots, each peak is one. The amount is spots, or megapixels.
    """

    shapes: Tensor
    spots: Tensor
    amount: float

    def share(self, limits: DotLimits) -> float:
        """Spots that are found to be dots, of the amount."""
        found = set(self.spots[_are_dots(self.shapes, limits)].tolist())
        return len(found) / max(self.amount, 1e-9)


def _are_dots(shapes: Tensor, limits: DotLimits) -> Tensor:
    return Peaks(torch.empty(3, 0), shapes).are_dots(limits)


def peaked(picture: Tensor, places: Tensor | None = None) -> Peaked:
    """The peaks of a (3, H, W) picture; with places (N, 2), only those at them."""
    peaks = find_peaks(picture, min(TRIED["least"]), max(TRIED["uneven"]))
    at = peaks.places[1:].T
    if places is None:
        return Peaked(peaks.shapes, torch.arange(len(at)), picture[0].numel() / 1e6)
    near = ((at[:, None] - places).abs().amax(2) <= NEAR).nonzero()
    return Peaked(peaks.shapes[:, near[:, 0]], near[:, 1], len(places))


def joined(parts: Sequence[Peaked]) -> Peaked:
    """All peaks of pictures, of which only those are kept that the loosest limits would take."""
    offsets = torch.tensor([0, *(int(part.spots.max()) + 1 if len(part.spots) else 0 for part in parts)])
    spots = torch.cat([part.spots + offset for part, offset in zip(parts, offsets.cumsum(0), strict=False)])
    shapes, loosest = torch.cat([part.shapes for part in parts], 1), {}
    for name, values in TRIED.items():
        loosest[name] = min(values) if name in ("least", "faintest") else max(values)
    kept = _are_dots(shapes, DotLimits(**loosest))
    return Peaked(shapes[:, kept], spots[kept], sum(part.amount for part in parts))


def of_scenes(photos: Sequence[Path], numbers: Sequence[int]) -> dict[str, list[Peaked]]:
    """Peaks at hot pixels by how the picture is stored, and at lamps and stars by their width."""
    found: dict[str, list[Peaked]] = defaultdict(list)
    for number in numbers:
        photo = read_bytes(photos[number % len(photos)])
        picture, places, stored = hot_scene(photo, generator_for(1, number))
        found[f"hot pixels, {stored}"].append(peaked(picture, places))
        for kind in ("lamps", "stars"):
            generator = generator_for(2, number, int(kind == "stars"))
            picture, places, widths = lit_scene(photo, generator, are_stars=kind == "stars")
            for low, high in WIDTHS:
                chosen = places[(widths >= low) & (widths < high)]
                found[f"{kind}, {low:g} to {high:g} pixels"].append(peaked(picture, chosen))
    return found


def of_photos(photos: Sequence[Path]) -> dict[str, list[Peaked]]:
    """Peaks in clean photos, and in parts of them with the noise of a camera."""
    found: dict[str, list[Peaked]] = defaultdict(list)
    for number, path in enumerate(photos):
        photo, generator = read_bytes(path), generator_for(3, number)
        found["clean photos"].append(peaked(photo))
        height, width = (min(NOISY_SIDE, size) // 16 * 16 for size in photo.shape[1:])
        part = photo[None, :, :height, :width] / 255
        noise = camera_noise(part, [draw_camera(generator)], [generator])
        _, finish = draw_finish(generator)
        found["photos with noise"].append(peaked(finish((part + noise).clamp(0, 1)[0])))
    return found


def of_graphics(count: int) -> dict[str, list[Peaked]]:
    """Peaks in drawn pictures."""
    return {
        kind: [peaked(draw_graphics(kind, generator_for(4, number))) for number in range(count)]
        for kind in GRAPHICS
    }


def read_bytes(path: Path) -> Tensor:
    """A photo, (3, H, W) uint8."""
    return to_bytes(to_unit_range(pixels_to_tensor(read_photo(path).pixels)))


def chosen_limits(peaks: dict[str, Peaked]) -> DotLimits:
    """The limits that find most hot pixels and keep what must stay."""
    hot = [one for name, one in peaks.items() if name.startswith("hot")]
    total, best, found = sum(one.amount for one in hot), LIMITS, -1.0
    for values in product(*TRIED.values()):
        limits = DotLimits(*values)
        if any(one.share(limits) > most_of(name) for name, one in peaks.items() if most_of(name) < math.inf):
            continue
        share = sum(one.share(limits) * one.amount for one in hot) / total
        if share > found:
            best, found = limits, share
    return best


def most_of(name: str) -> float:
    """Most that may be found of what has this name: a share of spots, or a number in a megapixel."""
    if "photos" in name or (name in GRAPHICS and name != "pixel art"):
        return MOST_PER_MP
    if name.startswith(("stars", "lamps")) and float(name.split()[1]) >= WIDE:
        return MOST_LOST
    return MOST_SHARP_LOST if name.startswith("stars") else math.inf


def main() -> None:
    """Prints the chosen limits beside those in use, and what each finds in the other half."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=200)
    settings = parser.parse_args()
    photos = sorted(path for path in settings.folder.iterdir() if path.suffix in PHOTO_SUFFIXES)
    halves = []
    for half in (0, 1):
        own, numbers = photos[half::2], range(half, settings.scenes, 2)
        found = of_scenes(own, numbers) | of_photos(own) | of_graphics(settings.scenes // 4)
        halves.append({name: joined(parts) for name, parts in found.items()})
        print(f"half {half + 1} is made", flush=True)
    best = chosen_limits(halves[0])
    for name, value in asdict(best).items():
        print(f"{name:10} {value:6.3f}  in use {getattr(LIMITS, name):.3f}")
    for name, one in sorted(halves[1].items()):
        shares = [one.share(limits) for limits in (best, LIMITS)]
        per = "of spots" if "pixels" in name else "per MP"
        print(f"{name:28} {shares[0]:8.4f}  in use {shares[1]:8.4f} {per}, of {one.amount:.0f}")


if __name__ == "__main__":
    main()
