"""A preview: several strengths on a few parts of a photo, without denoising the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nsp_cli.networks.base import CELL
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import Photo, Pixels, labelled_sheet, srgb_pixels, to_bit_depth
from nsp_cli.report.regions import Region, choose_regions
from nsp_cli.report.versions import strength_name
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.pipeline import denoise_by_strengths
from nsp_cli.restoration.planning import RestorationPlan, plan_for
from nsp_cli.restoration.strength import Strength
from nsp_cli.restoration.view import view_of

CROP_SIDE = 256
_MOST_CROPS = 3
# Pixels around a crop: as far as nsp-fast sees. Detail recovery sees farther, but hardly anything there.
AROUND = 128
# Cuts lie on this grid, so that blocks, PD's sub-images and cells match those of the whole photo.
_GRID = 16
# Regions are chosen on a picture this many times smaller.
_COARSER = 4


@dataclass(frozen=True, eq=False)
class Preview:
    """Parts of a photo, before and after.

    Attributes:
        regions: One to three places in the photo.
        versions: Names, and one (H, W, 3) uint8 sRGB crop per region. The photo comes first.
        noise: Noise of the whole photo, in words.
    """

    regions: Sequence[Region]
    versions: Sequence[tuple[str, Sequence[Pixels]]]
    noise: str

    def sheet(self) -> Pixels:
        """Returns a (H, W, 3) uint8 picture with a row for each region and a column for each version."""
        titles = [f"{one.title}, at {one.left}, {one.top}" for one in self.regions]
        rows = zip(*(crops for _, crops in self.versions), strict=True)
        return labelled_sheet([name for name, _ in self.versions], list(zip(titles, rows, strict=True)))


def make_preview(
    restorer: Restorer,
    photo: Photo,
    strengths: Sequence[float],
    on_progress: OnProgress | None = None,
    *,
    keep_hot_pixels: bool = False,
) -> Preview:
    """Denoises up to three parts of a photo, chosen for what they show.

    The noise is measured on the whole photo. A crop is as in the whole photo's result, but for some values
    that differ by one 8-bit level. If the network sees farther than nsp-fast, they differ by a few.

    Args:
        restorer: Network and device.
        photo: The photo; a small one is denoised as a whole.
        strengths: Each from 0 to 2.
        on_progress: Called with the pixels done and in total.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.

    Raises:
        DeviceError: Memory is full even at the smallest tile, or the network's result is not finite.
    """
    noisy = pixels_to_tensor(photo.seen_pixels)
    plan = plan_for(restorer, noisy, view_of(photo, noisy))
    regions = choose_crops(photo)
    parts = _Parts.of(regions, photo)
    results = denoise_by_strengths(
        restorer,
        parts.gather(noisy),
        [Strength(strength, strength) for strength in strengths],
        parts.plan(plan),
        keep_hot_pixels=keep_hot_pixels,
        on_progress=on_progress,
    )
    names = ["noisy", *map(strength_name, strengths)]
    pictures = [parts.gather(noisy), *results]
    versions = [(name, parts.crops(photo, picture)) for name, picture in zip(names, pictures, strict=True)]
    return Preview(regions, versions, plan.describe())


@dataclass(frozen=True)
class _Parts:
    """Regions as parts of one picture: one below the other, each with its surroundings.

    They form one picture, which is denoised at once.

    Attributes:
        regions: Regions of one size.
        around: Pixels around each region for the network.
    """

    regions: Sequence[Region]
    around: int

    @classmethod
    def of(cls, regions: Sequence[Region], photo: Photo) -> _Parts:
        return cls(regions, AROUND if _has_room(photo) else 0)

    def gather(self, image: Tensor, cell: int = 1) -> Tensor:
        """Returns the parts of a photo's (C, H, W), or of its map with a number for each cell.

        A small photo stays whole.
        """
        if not self.around:
            return image
        return torch.cat([_cut(image, one.top, one.left, one, self.around, cell) for one in self.regions], 1)

    def plan(self, whole: RestorationPlan) -> RestorationPlan:
        """Returns the plan for the parts."""
        return replace(whole, noise=NoiseMap(self.gather(whole.noise.bands, CELL)))

    def crops(self, photo: Photo, denoised: Tensor) -> list[Pixels]:
        """Returns the regions of the result in sRGB."""
        pixels, _ = srgb_pixels(photo.with_pixels(np.ascontiguousarray(tensor_to_pixels(denoised)), None))
        image = pixels_to_tensor(pixels)
        if self.around:
            cut = [_cut(image, top, self.around, one, 0) for top, one in self._places(self.around)]
        else:
            cut = [_cut(image, one.top, one.left, one, 0) for one in self.regions]
        return [np.ascontiguousarray(tensor_to_pixels(one)) for one in cut]

    def _places(self, around: int) -> list[tuple[int, Region]]:
        return [
            (index * (region.height + 2 * around) + around, region)
            for index, region in enumerate(self.regions)
        ]


def _cut(image: Tensor, top: int, left: int, size: Region, around: int, cell: int = 1) -> Tensor:
    rows = slice((top - around) // cell, (top + size.height + around) // cell)
    return image[:, rows, (left - around) // cell : (left + size.width + around) // cell]


def _has_room(photo: Photo) -> bool:
    return min(photo.height, photo.width) >= CROP_SIDE + 2 * AROUND


def choose_crops(photo: Photo) -> list[Region]:
    """Regions to preview, with `AROUND` pixels around them if the photo is large enough."""
    margin = AROUND if _has_room(photo) else 0
    height, width = photo.height - 2 * margin, photo.width - 2 * margin
    found = choose_regions(*_coarse(photo, margin), CROP_SIDE // _COARSER)[:_MOST_CROPS]
    if not found:
        found = [Region("middle", 0, 0, height // _COARSER, width // _COARSER).centre(CROP_SIDE // _COARSER)]
    return [_enlarged(region, margin) for region in found]


def _coarse(photo: Photo, margin: int) -> tuple[Pixels, Pixels]:
    """Returns every fourth pixel as "before", and means of 2×2, with half the noise, as "after"."""
    rows, columns = (slice(margin, size - margin) for size in photo.pixels.shape[:2])
    inner = photo.pixels[rows, columns]
    height, width = (size // _COARSER * _COARSER for size in inner.shape[:2])
    samples = [inner[y:height:_COARSER, x:width:_COARSER] for y in (0, 1) for x in (0, 1)]
    eight = [to_bit_depth(Photo(np.ascontiguousarray(sample)), 8).pixels for sample in samples]
    mean = sum(sample.astype(np.uint16) for sample in eight) // 4
    return eight[0], np.asarray(mean, np.uint8)


def _enlarged(region: Region, margin: int) -> Region:
    top, left = (margin + place * _COARSER // _GRID * _GRID for place in (region.top, region.left))
    return Region(region.title, top, left, region.height * _COARSER, region.width * _COARSER)
