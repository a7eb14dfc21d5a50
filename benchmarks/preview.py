"""Measures how far `nsp preview` is from `nsp denoise` of the whole photo, and which of two reasons counts.

python benchmarks/preview.py PHOTO…     # in 8-bit levels: the most, and the mean of the worst crop
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.noise.flat_blocks import flat_power
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.photo import Photo, Pixels, read_photo, srgb_pixels
from nsp_cli.report import Preview, make_preview
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.recovery import Strength

STRENGTHS = (0.5, 1.0, 1.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--model", default="nsp-fast")
    options = parser.parse_args()
    restorer, most = load_weights(options.model), []
    for path in options.photos:
        as_it_is, as_measured_on_all = compare(restorer, read_photo(path))
        most.append(as_it_is[0])
        print(f"{path.name}: {as_it_is}; with what recovery measures on the whole photo {as_measured_on_all}")
    print(f"median of the most: {median(most):g}")


def compare(restorer: Restorer, photo: Photo) -> list[tuple[int, float]]:
    """Largest difference and worst crop's mean: of a preview, and with the whole photo's statistics."""
    noisy, measured = pixels_to_tensor(photo.pixels), list[Tensor]()

    def keep(found: Tensor) -> Tensor:
        measured.append(found)
        return found

    with measuring(keep):
        wholes = [
            shown(photo, pipeline.denoise_tensor(restorer, noisy, strength=Strength(s, s))[0])
            for s in STRENGTHS
        ]
    results = [make_preview(restorer, photo, STRENGTHS)]
    with measuring(lambda _: measured.pop(0)):
        results.append(make_preview(restorer, photo, STRENGTHS))
    return [difference(preview, wholes) for preview in results]


@contextmanager
def measuring(change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replaces what detail recovery measures by a function of it."""
    with patch("nsp_cli.restoration.recovery.flat_power", lambda *given: change(flat_power(*given)).clone()):
        yield


def shown(photo: Photo, result: Tensor) -> Pixels:
    """Result in sRGB, as the sheet shows it."""
    return srgb_pixels(photo.with_pixels(np.ascontiguousarray(tensor_to_pixels(result)), None))[0]


def difference(preview: Preview, wholes: list[Pixels]) -> tuple[int, float]:
    found = []
    for whole, (_, crops) in zip(wholes, preview.versions[1:], strict=True):
        for place, crop in zip(preview.regions, crops, strict=True):
            rows = slice(place.top, place.top + place.height)
            same = whole[rows, place.left : place.left + place.width]
            found.append(np.abs(crop.astype(int) - same))
    return int(max(one.max() for one in found)), round(float(max(one.mean() for one in found)), 3)


if __name__ == "__main__":
    main()
