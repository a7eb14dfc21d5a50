"""The task of adapting a RAW network to a photographer's own files.

One part of each batch are crops of the files themselves, split into two with independent noise. They say
nothing on the colours that a site does not see. So the other part are simulated exposures of the same scenes:
what the network made of them before, at half the size, as the same sensors would see it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nsp_cli.device import to_device
from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.ops.progress import counted
from nsp_cli.training.data.raw_files import Sensor
from nsp_cli.training.raw.own_windows import OwnWindow, crop_of
from nsp_cli.training.raw.sampler import DrawnRaw
from nsp_cli.training.raw.splitting import MosaicCrops, Split
from nsp_cli.training.raw.task import RawTask
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import RawAdaptationRecipe
from nsp_cli.training.run.task import LEAST_ERROR, TrainingBatch
from nsp_cli.training.seeded_random import (
    WeightedChoice,
    generator_for,
    random_below,
    random_event,
)
from nsp_cli.training.simulation.raw_camera import RawCamera, draw_raw_camera

_LEAST_ERROR = LEAST_ERROR**2 * 255**2


@dataclass(frozen=True, eq=False)
class OwnCrops:
    """Crops of a step.

    Attributes:
        crops: The crops.
        errors: (B,) squared error of each in levels² before the training.
    """

    crops: MosaicCrops
    errors: Tensor


@dataclass(frozen=True, eq=False)
class DrawnOwn:
    """Data of a step: crops of the files, and simulated exposures; None if a batch has no room for them."""

    own: OwnCrops
    simulated: DrawnRaw | None

    def pin_memory(self) -> DrawnOwn:
        """The same with the simulated pictures in pinned memory."""
        return replace(self, simulated=self.simulated and self.simulated.pin_memory())


@dataclass(frozen=True, eq=False)
class OwnBatch(TrainingBatch):
    """A batch of crops of the files.

    Attributes:
        own: The split crops; needed.
        errors: (B,) squared error of each in levels² before the training; needed.
    """

    own: Split | None = None
    errors: Tensor | None = None

    @classmethod
    def of(cls, own: Split, errors: Tensor) -> OwnBatch:
        """Batch of split crops."""
        return cls((own.given, own.told), own.target, own=own, errors=errors)

    def split(self, size: int) -> list[TrainingBatch]:
        own, errors = self._known
        sizes = [len(part) for part in super().split(size)]
        return [OwnBatch.of(*part) for part in zip(own.parts(sizes), torch.split(errors, sizes), strict=True)]

    def loss(self, predicted: Tensor) -> Tensor:
        """Error that remains, relative to that before.

        At the start, this falls as the logarithm of the error does, which is the loss of simulated samples.
        The logarithm itself would need an error that is known better than that of a crop.
        """
        own, errors = self._known
        return (own.error(predicted.float()) / (errors + _LEAST_ERROR)).mean() / 2

    @property
    def _known(self) -> tuple[Split, Tensor]:
        assert self.own is not None
        assert self.errors is not None
        return self.own, self.errors


@dataclass(frozen=True, eq=False)
class MixedBatch(TrainingBatch):
    """A batch of several kinds, one after the other."""

    kinds: tuple[TrainingBatch, ...] = ()

    @classmethod
    def of(cls, *kinds: TrainingBatch) -> MixedBatch:
        """Batch of smaller ones, whose networks take the same."""
        inputs = tuple(map(torch.cat, zip(*(kind.inputs for kind in kinds), strict=True)))
        return cls(inputs, inputs[0], kinds=kinds)

    def split(self, size: int) -> list[TrainingBatch]:
        return [self] if size >= len(self) else [part for kind in self.kinds for part in kind.split(size)]

    def loss(self, predicted: Tensor) -> Tensor:
        """Mean loss of the samples."""
        parts = torch.split(predicted, [len(kind) for kind in self.kinds])
        losses = [kind.loss(part) * len(kind) for kind, part in zip(self.kinds, parts, strict=True)]
        return torch.stack(losses).sum() / len(self)


class OwnRawTask:
    """Adapts a RAW network to windows of a photographer's files."""

    pd_factor = None

    def __init__(
        self,
        windows: Sequence[OwnWindow],
        recipe: RawAdaptationRecipe,
        by: str,
        processes: ProcessGroup | None = None,
    ) -> None:
        """Divides the batch between the two kinds.

        Args:
            windows: What to learn from, each at least a crop and two pixels wide and high.
            recipe: Settings of the training.
            by: Identifies the network that made what is expected of the windows.
            processes: Processes that share the batches; None for this one alone.
        """
        self.recipe, self._windows, self._by = recipe, windows, by
        self._count = min(recipe.batch, max(1, round(recipe.own * recipe.batch)))
        self._first = (processes or ProcessGroup()).rank * self._count
        self._choice = WeightedChoice(windows, [window.mosaic.megapixels for window in windows])
        cameras = partial(draw_own_camera, [window.sensor for window in windows])
        rest = replace(recipe, batch=recipe.batch - self._count)
        halves = [window.half for window in windows if window.half.side >= recipe.crop]
        self._simulated = RawTask(halves, rest, processes, cameras)

    @property
    def checksum(self) -> int:
        """Checksum of the windows and of the network that looked at them."""
        places = [(w.mosaic.checksum, w.mosaic.top, w.mosaic.left, w.mosaic.side) for w in self._windows]
        return zlib.crc32(repr((places, self._by)).encode())

    @property
    def data(self) -> str:
        photos = {window.mosaic.file for window in self._windows}
        area = sum(window.mosaic.megapixels for window in self._windows)
        return f"{counted(len(photos), 'RAW file')}, {area:.1f} MP"

    def describe(self) -> str:
        return "the noise and the scenes of these RAW files"

    def draw(self, seed: int, step: int) -> DrawnOwn:
        numbers = range(self._first, self._first + self._count)
        drawn = [self._draw(generator_for(seed, step, number, 2)) for number in numbers]
        columns = [torch.stack(column) for column in zip(*drawn, strict=True)]
        own = OwnCrops(MosaicCrops(*columns[1:]), columns[0])
        has_room = self._count < self.recipe.batch
        return DrawnOwn(own, self._simulated.draw(seed, step) if has_room else None)

    def _draw(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The error before, and what `MosaicCrops` holds of a crop."""
        window, side = self._choice.draw(generator), self.recipe.crop
        light, expected = _cut(window, side, generator)
        return torch.tensor(window.error), *crop_of(light, expected, window.sensor)

    def make_batch(self, drawn: DrawnOwn, *, seed: int, step: int, device: torch.device) -> MixedBatch:
        """Splits the crops and exposes the simulated sensors."""
        numbers = range(self._first, self._first + self._count)
        generators = [generator_for(seed, step, number, 3, device=device) for number in numbers]
        split = drawn.own.crops.on(device).split(self.recipe.split, generators)
        own = OwnBatch.of(split, to_device(drawn.own.errors, device))
        if drawn.simulated is None:
            return MixedBatch.of(own)
        simulated = self._simulated.make_batch(drawn.simulated, seed=seed, step=step, device=device)
        return MixedBatch.of(own, simulated)


def _cut(window: OwnWindow, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cuts the same crop out of a mosaic (H, W) and of its picture (3, H, W), turned and mirrored.

    A mirrored crop begins one pixel later, so that it too has red first.
    """
    places, steps = [], []
    for size in (window.mosaic.height, window.mosaic.width):
        is_mirrored = random_event(0.5, generator)
        places.append(2 * random_below((size - side - is_mirrored) // 2 + 1, generator) + is_mirrored)
        steps.append(-1 if is_mirrored else 1)
    top, left = places
    mosaic = window.sensor.mosaic(
        window.mosaic.read(top, left, side, side), window.mosaic.top + top, window.mosaic.left + left
    )
    light, expected = mosaic.light(), window.expected.read(top, left, side, side)
    is_turned = random_event(0.5, generator)

    def turned(pixels: Pixels) -> Pixels:
        pixels = pixels[:: steps[0], :: steps[1]]
        return np.ascontiguousarray(pixels.swapaxes(0, 1) if is_turned else pixels)

    picture = to_unit_range(torch.from_numpy(turned(expected))).permute(2, 0, 1)
    return torch.from_numpy(turned(light)), picture


def draw_own_camera(sensors: Sequence[Sensor], generator: torch.Generator) -> RawCamera:
    """Draws a camera with the colours of one of some sensors, and the noise of one of them."""
    colours, noise = (sensors[random_below(len(sensors), generator)] for _ in range(2))
    electrons = noise.noise.electrons
    assert electrons is not None
    assert noise.noise.read_noise is not None
    return replace(
        draw_raw_camera(generator),
        colours=torch.from_numpy(np.linalg.inv(colours.like.colours.to_srgb)),
        gains=colours.gains,
        electrons=electrons,
        read=noise.noise.read_noise,
        levels=float(noise.like.white),
        black=float(noise.like.black.min()),
    )
