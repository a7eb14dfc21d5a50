"""The task of the RAW network: to see the picture behind a noisy mosaic."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.networks.bayer import decoded, encoded
from nsp_cli.ops.bayer import CELL_SIDE, demosaic_folded, folded_kernel
from nsp_cli.ops.progress import counted
from nsp_cli.training.data.pool import TrainingPhoto
from nsp_cli.training.raw.development import as_seen
from nsp_cli.training.raw.sampler import DrawCamera, DrawnRaw, RawSampler
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import RawRecipe
from nsp_cli.training.run.task import TrainingBatch
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.mosaic import camera_light, exposed, sensor_noise_of
from nsp_cli.training.simulation.raw_camera import draw_raw_camera


@dataclass(frozen=True, eq=False)
class RawBatch(TrainingBatch):
    """A batch whose loss is that of developed pictures.

    Attributes:
        matrices: (B, 3, 3) from the colours of each camera to linear sRGB; needed.
    """

    matrices: Tensor | None = None

    def split(self, size: int) -> list[TrainingBatch]:
        parts = super().split(size)
        assert self.matrices is not None
        places = torch.split(self.matrices, [len(part) for part in parts])
        return [_with(part, own) for part, own in zip(parts, places, strict=True)]

    def loss(self, predicted: Tensor) -> Tensor:
        """As `TrainingBatch.loss`, after development."""
        assert self.matrices is not None
        return super().loss(as_seen(predicted, self.matrices))


def _with(batch: TrainingBatch, matrices: Tensor) -> RawBatch:
    return RawBatch(batch.inputs, batch.targets, batch.before, batch.lean, matrices)


class RawTask:
    """Trains a RAW network on simulated cameras."""

    pd_factor = None

    def __init__(
        self,
        photos: Sequence[TrainingPhoto],
        recipe: RawRecipe,
        processes: ProcessGroup | None = None,
        draw_camera: DrawCamera = draw_raw_camera,
    ) -> None:
        """Sets up the sampler.

        Args:
            photos: Sharp photos without noise.
            recipe: Settings of the training.
            processes: Processes that share the batches; None for this one alone.
            draw_camera: Draws the camera of a sample.
        """
        self.recipe, self._photos = recipe, photos
        self._rank = (processes or ProcessGroup()).rank
        self._sampler = RawSampler(photos, recipe, rank=self._rank, draw_camera=draw_camera)

    @property
    def checksum(self) -> int:
        """Checksum of the photos."""
        return zlib.crc32(repr([photo.checksum for photo in self._photos]).encode())

    @property
    def data(self) -> str:
        return counted(len(self._photos), "clean picture")

    def describe(self) -> str:
        return "develops simulated RAW"

    def draw(self, seed: int, step: int) -> DrawnRaw:
        return self._sampler.draw(seed, step)

    def make_batch(self, drawn: DrawnRaw, *, seed: int, step: int, device: torch.device) -> RawBatch:
        """Exposes the sensors, and develops what they saw without noise."""
        first = self._rank * self.recipe.batch
        numbers = range(first, first + len(drawn.cameras))
        generators = [generator_for(seed, step, number, 1, device=device) for number in numbers]
        light = camera_light(to_device(drawn.pictures, device), drawn.cameras)
        mosaics = exposed(light, drawn.cameras, generators)
        matrices = to_device(torch.stack([camera.colours.inverse() for camera in drawn.cameras]), device)
        targets = as_seen(light, matrices)
        before = (as_seen(_plain(mosaics), matrices) - targets).square().mean((1, 2, 3))
        told = to_device(sensor_noise_of(drawn.cameras) * drawn.errors.exp(), device)
        return RawBatch((mosaics, told), targets, before, matrices=matrices)


def _plain(mosaics: Tensor) -> Tensor:
    """Bilinear demosaicing, which the network starts from."""
    cells = encoded(functional.pixel_unshuffle(mosaics, CELL_SIDE))
    folded = demosaic_folded(cells, to_device(folded_kernel(), cells.device))
    return decoded(functional.pixel_shuffle(folded, CELL_SIDE))
