"""Holds out photos or parts of photos, to judge the trained weights on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nsp_cli.training.data.pool import SMALLEST_SIDE, PhotoPool, TrainingPhoto, in_turns

# From this number of photos on, whole photos are held out; with fewer, a strip of each.
MANY_PHOTOS = 8
# This number and size of regions shows gains of some hundredths of a dB, and judging takes a minute on a CPU.
# On regions smaller than the last value, noise cannot be estimated well.
REGION_COUNT, HELD_OUT_SIDE, LEAST_HELD_OUT_SIDE = 16, 448, 192

_EVERY = 5
_STRIP = 0.25


def hold_out(pool: PhotoPool, *, least: int = SMALLEST_SIDE) -> tuple[PhotoPool, tuple[TrainingPhoto, ...]]:
    """Splits a pool into training photos and held-out regions, which never share a pixel.

    With many photos, every fifth is held out, in the order of camera, ISO and noise, so that all kinds are
    included. With few photos, a strip along the shorter side of each is held out.

    Args:
        pool: All photos.
        least: Least side of what is left of a photo.

    Returns:
        Pool to train on, and at most 16 regions of at most 448 pixels a side. If the photos are too small,
        there are no regions.
    """
    rest, aside = _whole_photos(pool) if len(pool.photos) >= MANY_PHOTOS else _strips(pool, least)
    regions = _regions([photo for photo in aside if photo.side >= LEAST_HELD_OUT_SIDE])
    return (replace(pool, photos=tuple(rest)), regions) if regions else (pool, ())


def _whole_photos(pool: PhotoPool) -> tuple[list[TrainingPhoto], list[TrainingPhoto]]:
    ordered = sorted(pool.photos, key=lambda photo: (photo.facts.camera, photo.facts.iso or 0, photo.noise))
    aside = ordered[_EVERY // 2 :: _EVERY]
    kept = {id(photo) for photo in aside}
    return [photo for photo in pool.photos if id(photo) not in kept], aside


def _strips(pool: PhotoPool, least: int) -> tuple[list[TrainingPhoto], list[TrainingPhoto]]:
    rest, aside = [], []
    for photo in pool.photos:
        length = max(photo.height, photo.width)
        strip = max(LEAST_HELD_OUT_SIDE, int(length * _STRIP))
        if length - strip < least:
            rest.append(photo)
            continue
        rest.append(_part(photo, 0, length - strip))
        aside.append(_part(photo, length - strip, strip))
    return rest, aside


def _part(photo: TrainingPhoto, start: int, length: int) -> TrainingPhoto:
    """Part of a photo along its longer side."""
    if photo.height > photo.width:
        return replace(photo, top=photo.top + start, height=length)
    return replace(photo, left=photo.left + start, width=length)


def _regions(photos: Sequence[TrainingPhoto]) -> tuple[TrainingPhoto, ...]:
    """Regions of all photos in turn, up to `REGION_COUNT`."""
    if len(photos) > REGION_COUNT:
        photos = [photos[index * len(photos) // REGION_COUNT] for index in range(REGION_COUNT)]
    return tuple(in_turns(map(_grid, photos), REGION_COUNT))


def _grid(photo: TrainingPhoto) -> Iterator[TrainingPhoto]:
    """Yields regions of a photo that do not overlap, the middle one first."""
    height, width = min(HELD_OUT_SIDE, photo.height), min(HELD_OUT_SIDE, photo.width)
    rows, columns = photo.height // height, photo.width // width
    top, left = (photo.height - rows * height) // 2, (photo.width - columns * width) // 2
    places = [(row, column) for row in range(rows) for column in range(columns)]
    middle = len(places) // 2
    for row, column in places[middle:] + places[:middle]:
        yield photo.window(top + row * height, left + column * width, height, width)
