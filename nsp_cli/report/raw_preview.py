"""Several strengths on a RAW photo: on parts of it for a preview, or on the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import Mosaic, Photo, Pixels, developed, srgb_pixels
from nsp_cli.report.preview import AROUND, Preview, choose_crops
from nsp_cli.report.regions import Region
from nsp_cli.report.versions import Version, made_with, strength_name
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.mosaic_denoising import denoise_mosaic, measure_noise
from nsp_cli.restoration.strength import Strength

# Pixels between which the network's cells lie on the same places.
_GRID = 8


def make_raw_preview(
    restorer: Restorer,
    photo: Photo,
    strengths: Sequence[float],
    on_progress: OnProgress | None = None,
    *,
    keep_hot_pixels: bool = False,
) -> Preview:
    """Denoises up to three parts of what a sensor saw; the noise is measured on the whole.

    Args:
        restorer: RAW network and device.
        photo: The photo, with its mosaic.
        strengths: Each from 0 to 2.
        on_progress: Called with the number of finished crops and their total.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.

    Raises:
        DeviceError: Memory is full even at the smallest tile, or the network's result is not finite.
    """
    assert photo.mosaic is not None
    noise, regions = measure_noise(photo.mosaic), choose_crops(photo)
    described, total = "", len(strengths) * len(regions)
    versions = [("noisy", [_crop(photo, photo.pixels, one) for one in regions])]
    for strength in strengths:
        crops = []
        for region in regions:
            window, inner = _with_surroundings(photo.mosaic, region)
            made = denoise_mosaic(
                restorer,
                window,
                strength=Strength(strength, strength),
                noise=noise,
                keep_hot_pixels=keep_hot_pixels,
            )
            crops.append(_crop(photo, developed(made.picture), inner))
            described = made.describe()
            if on_progress:
                on_progress((len(versions) - 1) * len(regions) + len(crops), total)
        versions.append((strength_name(strength), crops))
    return Preview(regions, versions, described)


def _with_surroundings(mosaic: Mosaic, region: Region) -> tuple[Mosaic, Region]:
    """The part of a mosaic that a region's result depends on, and the region's place in it."""
    is_transposed = bool(mosaic.flip & 4)
    rows, columns = mosaic.samples.shape[:: -1 if is_transposed else 1]
    mirrored = (mosaic.flip & 2, mosaic.flip & 1)[:: -1 if is_transposed else 1]
    top, bottom = _around(region.top, region.height, rows, is_mirrored=bool(mirrored[0]))
    left, right = _around(region.left, region.width, columns, is_mirrored=bool(mirrored[1]))
    window = mosaic.window(top, left, bottom - top, right - left)
    return window, Region(region.title, region.top - top, region.left - left, region.height, region.width)


def _around(start: int, size: int, whole: int, *, is_mirrored: bool) -> tuple[int, int]:
    """A part of an axis with surroundings, which begins on the network's grid as the sensor has it."""
    first, last = max(0, start - AROUND), min(whole, start + size + AROUND)
    if is_mirrored:
        return first, whole - (whole - last) // _GRID * _GRID
    return first // _GRID * _GRID, last


def _crop(photo: Photo, pixels: Pixels, region: Region) -> Pixels:
    rows = slice(region.top, region.top + region.height)
    cut = pixels[rows, region.left : region.left + region.width]
    return srgb_pixels(photo.with_pixels(np.ascontiguousarray(cut)))[0]


def raw_strength_versions(
    restorer: Restorer,
    before: Version,
    mosaic: Mosaic,
    strengths: Sequence[float],
    on_progress: OnProgress | None = None,
    *,
    keep_hot_pixels: bool = False,
) -> list[Version]:
    """Results of denoising what a sensor saw at several strengths.

    Args:
        restorer: RAW network and device.
        before: The photo.
        mosaic: Its mosaic.
        strengths: Each from 0 to 2.
        on_progress: Called with the number of finished strengths and their total.
        keep_hot_pixels: As for `make_raw_preview`.

    Raises:
        DeviceError: As for `make_raw_preview`.
    """
    noise, versions = measure_noise(mosaic), []
    for strength in strengths:
        made = denoise_mosaic(
            restorer,
            mosaic,
            strength=Strength(strength, strength),
            noise=noise,
            keep_hot_pixels=keep_hot_pixels,
        )
        photo = before.photo.with_pixels(developed(made.picture))
        made_by = made_with(restorer, before.sha256, strength, keep_hot_pixels)
        versions.append(Version(strength_name(strength), "in no file", photo, made_by))
        if on_progress:
            on_progress(len(versions), len(strengths))
    return versions
