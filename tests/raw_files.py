"""DNG files as cameras write them, made from a scene whose colours are known."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from nsp_cli.photo import Photo
from nsp_cli.photo.metadata.tiff_directories import append_facts

Array = NDArray[Any]

XYZ_TO_SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.969266, 1.8760108, 0.041556],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
# What a sensor sees of linear sRGB, its colours in rows; each row sums to its answer to white.
RGB_SENSOR = np.array([[0.7, 0.3, 0.0], [0.2, 0.7, 0.1], [0.0, 0.3, 0.7]])
RGBE_SENSOR = np.vstack((RGB_SENSOR, [0.0, 0.6, 0.4]))
GMCY_SENSOR = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [0.5, 0.5, 0.0]])
BAYER = np.array([[0, 1], [1, 2]])
FOUR = np.array([[0, 1], [3, 2]])
XTRANS = np.array(
    [
        [1, 1, 0, 1, 1, 2],
        [1, 1, 2, 1, 1, 0],
        [2, 0, 1, 0, 2, 1],
        [1, 1, 2, 1, 1, 0],
        [1, 1, 0, 1, 1, 2],
        [0, 2, 1, 2, 0, 1],
    ]
)
PATCHES = np.array([[0.45, 0.15, 0.08], [0.3, 0.3, 0.3], [0.08, 0.18, 0.6]])  # linear sRGB
_CFA, _LINEAR_RAW, _PHOTOMETRIC = 32803, 34892, 262


def scene(side: int = 96, patches: Array = PATCHES) -> Array:
    """Returns (side, 3 · side, 3) linear sRGB: patches side by side."""
    return np.repeat(np.repeat(patches[None], side, 0), side, 1)


def patch_means(pixels: Array) -> Array:
    """Returns the mean of each patch of a picture of `scene`, away from the edges; linear, in [0, 1]."""
    encoded = np.stack([part[8:-8, 8:-8].mean((0, 1)) for part in np.split(pixels, 3, axis=1)]) / 65535
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def write_raw(
    path: Path,
    light: Array,
    *,
    sensor: Array = RGB_SENSOR,
    pattern: Array | None = BAYER,
    codes: tuple[int, ...] = (0, 1, 2),
    exif: bytes | None = None,
    black: tuple[int, ...] = (),
    orientation: int = 1,
    extra: Sequence[tuple[Any, ...]] = (),
    levels: Sequence[tuple[Any, ...]] = ((50717, 4, 1, 65535, True),),
) -> Path:
    """Writes a DNG of linear sRGB `light` (H, W, 3) seen by a sensor.

    Args:
        path: Where to.
        light: In [0, 1].
        sensor: (colours, 3), from linear sRGB.
        pattern: Which colour each site has; None is a monochrome sensor.
        codes: DNG's numbers of the colours: 0 to 5 for red, green, blue, cyan, magenta, yellow.
        exif: A block to go with it.
        black: Values without light of the four sites of a cell; none for 0.
        orientation: How programs must turn it.
        extra: More tags, as tifffile takes them.
        levels: Tags of black and white.
    """
    seen = np.rint(65535 * np.clip(light @ sensor.T, 0, 1)).astype(np.uint16)
    tags = [*_camera_tags(sensor), *levels, *([] if pattern is None else _mosaic_tags(pattern, codes))]
    tags += [(274, 3, 1, orientation, True), *extra]
    stored = seen[:, :, 0] if pattern is None else _mosaic(seen, pattern)
    if black:
        tags += [(50713, 3, 2, (2, 2), True), (50714, 4, 4, black, True)]
        level = np.tile(np.reshape(black, (2, 2)), (-(-stored.shape[0] // 2), -(-stored.shape[1] // 2)))
        level = level[: stored.shape[0], : stored.shape[1]]
        stored = np.rint(level + stored * (1 - level / 65535)).astype(np.uint16)
    kind = "minisblack" if pattern is None else _CFA
    tifffile.imwrite(path, stored, photometric=kind, metadata=None, extratags=tags, software=False)
    with path.open("r+b") as file:
        if pattern is None:  # tifffile refuses linear RAW of one colour
            _patch_photometric(file)
        append_facts(Photo(np.zeros((1, 1, 3), np.uint8), exif=exif), file, is_reserved=False)
    return path


def _camera_tags(sensor: Array) -> list[tuple[Any, ...]]:
    white = sensor.sum(1) / sensor.sum(1).max()
    matrix = sensor @ XYZ_TO_SRGB
    return [
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50708, 2, 0, "A test's camera", True),
        (50721, 10, matrix.size, _fractions(matrix), True),
        (50728, 5, white.size, _fractions(white), True),
        (50778, 3, 1, 21, True),  # under D65
    ]


def _mosaic_tags(pattern: Array, codes: tuple[int, ...]) -> list[tuple[Any, ...]]:
    return [
        (33421, 3, 2, pattern.shape, True),
        (33422, 1, pattern.size, np.array(codes, np.uint8)[pattern].tobytes(), True),
        (50710, 1, len(codes), bytes(codes), True),
    ]


def _fractions(values: Array) -> list[int]:
    return [part for value in values.ravel() for part in (round(value * 100000), 100000)]


def _mosaic(seen: Array, pattern: Array) -> Array:
    repeats = [-(-size // step) for size, step in zip(seen.shape, pattern.shape, strict=False)]
    colour = np.tile(pattern, repeats)[: seen.shape[0], : seen.shape[1], None]
    return np.take_along_axis(seen, colour, 2)[:, :, 0]


def _patch_photometric(file: Any) -> None:
    data = file.read()
    place = data.index(struct.pack("<HHI", _PHOTOMETRIC, 3, 1)) + 8
    file.seek(place)
    file.write(struct.pack("<H", _LINEAR_RAW))
