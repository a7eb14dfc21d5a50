"""Sets photos, or regions of a few, aside from training, to judge the result on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nsp_cli.training.data.pool import SMALLEST_SIDE, PhotoPool, TrainingPhoto

# From so many photos on, whole ones are set aside; of fewer, a strip of each.
MANY_PHOTOS = 8
# So many regions of this side tell a gain of some hundredths of a dB from chance, and are judged in a
# minute on a CPU. On smaller ones than the least the photo's noise cannot be measured well.
REGION_COUNT, REGION_SIDE, LEAST_REGION_SIDE = 16, 448, 192

_EVERY = 5
_STRIP = 0.25


def hold_out(pool: PhotoPool) -> tuple[PhotoPool, tuple[TrainingPhoto, ...]]:
    """Splits a pool into what is trained on and regions that are not.

    Of many photos every fifth is set aside, going by camera, ISO and noise, so that all kinds are
    there. Of few, each gives a strip along its shorter side. The two never share a pixel.

    Returns:
        The rest, and at most 16 regions of at most 448 pixels a side; none where the photos are too small.
    """
    rest, aside = _whole_photos(pool) if len(pool.photos) >= MANY_PHOTOS else _strips(pool)
    regions = _regions([photo for photo in aside if photo.side >= LEAST_REGION_SIDE])
    return (replace(pool, photos=tuple(rest)), regions) if regions else (pool, ())


def _whole_photos(pool: PhotoPool) -> tuple[list[TrainingPhoto], list[TrainingPhoto]]:
    ordered = sorted(pool.photos, key=lambda photo: (photo.facts.camera, photo.facts.iso or 0, photo.noise))
    aside = ordered[_EVERY // 2 :: _EVERY]
    kept = {id(photo) for photo in aside}
    return [photo for photo in pool.photos if id(photo) not in kept], aside


def _strips(pool: PhotoPool) -> tuple[list[TrainingPhoto], list[TrainingPhoto]]:
    rest, aside = [], []
    for photo in pool.photos:
        length = max(photo.height, photo.width)
        strip = max(LEAST_REGION_SIDE, int(length * _STRIP))
        if length - strip < SMALLEST_SIDE:
            rest.append(photo)
            continue
        rest.append(_part(photo, 0, length - strip))
        aside.append(_part(photo, length - strip, strip))
    return rest, aside


def _part(photo: TrainingPhoto, start: int, length: int) -> TrainingPhoto:
    """Returns a stretch of a photo's longer side."""
    if photo.height > photo.width:
        return replace(photo, top=photo.top + start, height=length)
    return replace(photo, left=photo.left + start, width=length)


def _regions(photos: Sequence[TrainingPhoto]) -> tuple[TrainingPhoto, ...]:
    """Cuts regions out of photos in turn, the next one of each as long as some are wanted."""
    if len(photos) > REGION_COUNT:
        photos = [photos[index * len(photos) // REGION_COUNT] for index in range(REGION_COUNT)]
    sources = [_grid(photo) for photo in photos]
    regions: list[TrainingPhoto] = []
    while sources and len(regions) < REGION_COUNT:
        found = [next(source, None) for source in sources]
        sources = [source for source, region in zip(sources, found, strict=True) if region]
        regions += [region for region in found if region]
    return tuple(regions[:REGION_COUNT])


def _grid(photo: TrainingPhoto) -> Iterator[TrainingPhoto]:
    """Yields regions that do not overlap, the middle one first."""
    height, width = min(REGION_SIDE, photo.height), min(REGION_SIDE, photo.width)
    rows, columns = photo.height // height, photo.width // width
    top, left = (photo.height - rows * height) // 2, (photo.width - columns * width) // 2
    places = [(row, column) for row in range(rows) for column in range(columns)]
    middle = len(places) // 2
    for row, column in places[middle:] + places[:middle]:
        yield replace(
            photo,
            top=photo.top + top + row * height,
            left=photo.left + left + column * width,
            height=height,
            width=width,
        )
