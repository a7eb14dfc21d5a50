"""Pictures made of training photos, in the cache: made once, and found there by a resumed run."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.pixels import from_unit_range, pixels_to_tensor, to_unit_range
from nsp_cli.restoration.view import View
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import TrainingPhoto

# Distance in pixels of the samples by which a photo's view is chosen.
_SEEN_STEP = 2


def derived_picture(
    cache: PhotoCache, photo: TrainingPhoto, kind: str, make: Callable[[], Tensor], by: str = ""
) -> TrainingPhoto:
    """Picture from the cache; made and stored there if it is missing.

    Args:
        cache: Cache for the picture.
        photo: Photo that it is made of.
        kind: Ends the picture's name.
        make: Makes it, (3, H, W) uint16.
        by: Identifies what makes it, if that may change.

    Raises:
        OutputError: The disk is full.
    """
    name = derived_name(photo, kind, by)
    shape = cache.shape(name)
    if shape is None:
        made = np.ascontiguousarray(make().permute(1, 2, 0).numpy())
        cache.store(name, made)
        shape = made.shape
    height, width, _ = shape
    return replace(photo, file=cache.path(name), top=0, left=0, height=height, width=width)


def derived_name(photo: TrainingPhoto, kind: str, by: str = "") -> str:
    """Name in the cache of what is made of a photo; arguments as `derived_picture`."""
    window = (photo.checksum, photo.top, photo.left, photo.height, photo.width, by)
    return f"{zlib.crc32(repr(window).encode()):08x}-{photo.file.stem}-{kind}"


def as_it_is(photo: TrainingPhoto) -> Tensor:
    """Pixels of a photo, (3, H, W) uint8 or uint16."""
    return pixels_to_tensor(photo.read(0, 0, photo.height, photo.width))


def as_16_bits(photo: TrainingPhoto) -> Tensor:
    """Pixels of a photo, (3, H, W) uint16."""
    pixels = torch.from_numpy(np.ascontiguousarray(photo.read(0, 0, photo.height, photo.width)))
    if pixels.dtype == torch.uint8:
        # 257 is exactly 65535 / 255. Floating point would need more memory.
        pixels = torch.from_numpy(pixels.numpy().astype(np.uint16) * 257)
    return pixels.permute(2, 0, 1)


def seen_picture(photo: TrainingPhoto) -> Tensor:
    """A photo as it is denoised, (3, H, W) uint16: stretched if the whole of it is in linear light."""
    view = _view_of(photo.file)
    if view == View():
        return as_16_bits(photo)
    return from_unit_range(view.picture(as_it_is(photo)), torch.uint16)


@lru_cache(maxsize=512)
def _view_of(file: Path) -> View:
    return View.of(pixels_to_tensor(np.load(file, mmap_mode="r")[::_SEEN_STEP, ::_SEEN_STEP].copy()))


def downscaled(picture: TrainingPhoto, factor: int) -> Tensor:
    """Averages cells of factor×factor pixels, (3, H, W) uint16; incomplete cells at the edge are left out."""
    return from_unit_range(functional.avg_pool2d(to_unit_range(as_16_bits(picture)), factor), torch.uint16)
