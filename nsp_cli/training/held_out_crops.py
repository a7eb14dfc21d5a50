"""The crops of held-out photos that show best what new weights change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.ops.pixels import from_unit_range, tensor_to_pixels, to_unit_range
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.derived import as_it_is
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.page import HeldOutCrop

# Crops to show, and their side.
_CROPS, _CROP_SIDE = 3, 320


# Makes versions (3, H, W) of a region, by name: noisy, before and after.
MakeVersions = Callable[[TrainingPhoto], dict[str, Tensor]]


def most_changed_crops(held_out: Sequence[TrainingPhoto], make_versions: MakeVersions) -> list[HeldOutCrop]:
    """The crops of three regions that the new weights change most."""
    crops = [_most_changed(photo, make_versions(photo)) for photo in held_out]
    return [crop for _, crop in sorted(crops, key=lambda one: one[0], reverse=True)[:_CROPS]]


def denoised_versions(restorers: Mapping[str, Restorer], photo: TrainingPhoto) -> dict[str, Tensor]:
    """A region as it is, and as networks denoise it."""
    versions = {"noisy": as_it_is(photo)}
    for name, restorer in restorers.items():
        versions[name] = pipeline.denoise_tensor(restorer, versions["noisy"])[0]
    return versions


def _most_changed(photo: TrainingPhoto, versions: Mapping[str, Tensor]) -> tuple[float, HeldOutCrop]:
    """The crop of a region that changes most, and how much."""
    _, before, after = (to_unit_range(version) for version in versions.values())
    change = (after - before).abs().mean(0, keepdim=True)
    size = [min(_CROP_SIDE, side) for side in change.shape[1:]]
    means = functional.avg_pool2d(change[None], size, stride=1)[0, 0]
    top, left = divmod(int(means.argmax()), means.shape[1])
    return float(means.max()), _crop(photo, versions, top, left)


def _crop(photo: TrainingPhoto, versions: Mapping[str, Tensor], top: int, left: int) -> HeldOutCrop:
    cut = {name: v[:, top : top + _CROP_SIDE, left : left + _CROP_SIDE] for name, v in versions.items()}
    pixels = {name: from_unit_range(to_unit_range(v), torch.uint8) for name, v in cut.items()}
    return HeldOutCrop(photo.source.name, {name: tensor_to_pixels(v) for name, v in pixels.items()})
