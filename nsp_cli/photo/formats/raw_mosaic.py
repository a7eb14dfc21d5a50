"""The values of a Bayer sensor from a file that LibRaw has opened."""

from __future__ import annotations

from typing import Any

import numpy as np

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.formats.raw_development import Development, RawOptions, balanced_by_libraw
from nsp_cli.photo.mosaic import (
    CELL_PLACES,
    SRGB_TO_XYZ,
    Floats,
    Mosaic,
    SensorColours,
    SensorPicture,
    as_on_sensor,
)

LEAST_MATRIX = 0.125
"""LibRaw leaves a matrix unused whose first value is not above this."""
_BAYER = (2, 2)
_GREEN, _SECOND_GREEN = 1, 3
# LibRaw's answers that tell the factor that it applied: rounding matters little, and nothing is clipped. How
# far nearly all factors of a colour may be from their median, and the fewest values that tell one.
_RELIABLE, _MOST_SPREAD, _NEARLY_ALL, _FEWEST = (200, 62000), 0.02, 0.98, 50
# Rows or columns that are looked at, about: some hundred thousand values are enough.
_LOOKED_AT = 1000


def why_not(raw: Any, options: RawOptions) -> str:
    """What keeps nsp from working on the values of this sensor itself, in words; empty if nothing does."""
    import rawpy

    if options.half:
        return "--half"
    if raw.raw_type != rawpy.RawType.Flat:
        return "data that are demosaiced already"
    if raw.num_colors != 3 or raw.raw_pattern is None or raw.raw_pattern.shape != _BAYER:
        return "a sensor without Bayer's pattern"
    if raw.sizes.pixel_aspect != 1:
        return "pixels that are not square"
    return "" if _to_srgb(raw) is not None else "colours that are not known"


def read_mosaic(raw: Any, way: Development) -> tuple[Mosaic, SensorPicture] | None:
    """Values of the sensor, with the white balance and the white that LibRaw applies, and a quick picture.

    Args:
        raw: Opened by rawpy; `why_not` has nothing against it.
        way: How it is developed.

    Returns:
        The mosaic, and a picture by LibRaw, upright, in which white after balancing is clipped; None if what
        LibRaw makes of the values does not follow from them by a factor for each colour.
    """
    samples = np.array(raw.raw_image_visible)
    # Before LibRaw develops: afterwards both greens have the same number, and the black of the first.
    numbers = raw.raw_colors_visible[:2, :2].ravel().tolist()
    black = np.array([raw.black_level_per_channel[number] for number in numbers], np.float32)
    sites = [_GREEN if number == _SECOND_GREEN else number for number in numbers]
    balanced = balanced_by_libraw(raw, way)
    found = _factors(samples, black, sites, as_on_sensor(balanced, raw.sizes.flip))
    to_srgb = _to_srgb(raw)
    if found is None or to_srgb is None:
        return None
    gains = np.array(found, np.float32) / min(found)
    daylight = np.array(raw.daylight_whitebalance[:3], np.float32)
    colours = SensorColours(gains, to_srgb, daylight if daylight.all() else gains)
    row, column = divmod(sites.index(0), 2)
    mosaic = Mosaic(samples, (row, column), black, 65535 / min(found), colours, raw.sizes.flip)
    return mosaic, SensorPicture(np.rint(balanced / gains).astype(np.uint16), colours)


def _factors(samples: Pixels, black: Floats, sites: list[int], balanced: Pixels) -> list[float] | None:
    """Factors of the colours from values over black to LibRaw's answers in the same places."""
    if samples.shape != balanced.shape[:2]:
        return None
    step = max(1, min(samples.shape) // _LOOKED_AT)
    thin = (slice(None, None, step), slice(None, None, step))
    pairs = [
        (samples[place][thin] - black[n], balanced[place][..., sites[n]][thin])
        for n, place in enumerate(CELL_PLACES)
    ]
    factors = [_factor([pairs[n] for n in range(4) if sites[n] == colour]) for colour in range(3)]
    return factors if all(factors) else None


def _factor(pairs: list[tuple[Floats, Pixels]]) -> float:
    """Factor from values over black to LibRaw's answers at the sites of a colour; 0 if there is none."""
    values, answers = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    is_reliable = (answers > _RELIABLE[0]) & (answers < _RELIABLE[1]) & (values > 0)
    if is_reliable.sum() < _FEWEST:
        return 0.0
    ratios = answers[is_reliable] / values[is_reliable]
    middle = float(np.median(ratios))
    is_alike = np.quantile(np.abs(ratios / middle - 1), _NEARLY_ALL) < _MOST_SPREAD
    return middle if is_alike else 0.0


def _to_srgb(raw: Any) -> Floats | None:
    """(3, 3) from balanced camera colours to linear sRGB, as LibRaw has it; None if nothing is known."""
    stated, xyz = raw.color_matrix[:, :3], raw.rgb_xyz_matrix[:3]
    if stated[0][0] > LEAST_MATRIX:
        return np.array(stated, np.float32)
    if not xyz.any():
        return None
    seen = xyz @ SRGB_TO_XYZ
    matrix: Floats = np.linalg.inv(seen / seen.sum(1, keepdims=True)).astype(np.float32)
    return matrix
