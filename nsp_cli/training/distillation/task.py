"""The two tasks on simulated samples: to remove their noise, and to estimate it."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn

from nsp_cli.device import to_device
from nsp_cli.networks.unet import as_planes, enlarged, from_planes
from nsp_cli.training.distillation.folder_noise import FolderNoise
from nsp_cli.training.distillation.sample_making import Samples, make_samples
from nsp_cli.training.distillation.sample_plan import DrawnSamples
from nsp_cli.training.distillation.sampler import SimulationSampler
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.run.checkpoint import checksum_of
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import EstimatorRecipe, SimulationRecipe, StudentRecipe
from nsp_cli.training.run.task import TrainingBatch


class _SimulationTask:
    """What both tasks share: the sources and the sampler."""

    pd_factor = None

    def __init__(
        self, sources: SampleSources, recipe: SimulationRecipe, scale: int, processes: ProcessGroup | None
    ) -> None:
        self._sources, self._scale = sources, scale
        self._sampler = SimulationSampler(sources, recipe, scale, rank=(processes or ProcessGroup()).rank)

    @property
    def checksum(self) -> int:
        """Checksum of the sources."""
        return self._sources.checksum

    @property
    def data(self) -> str:
        return self._sources.describe()

    def draw(self, seed: int, step: int) -> DrawnSamples:
        return self._sampler.draw(seed, step)

    def _made(self, drawn: DrawnSamples, seed: int, step: int, device: torch.device) -> Samples:
        return make_samples(drawn, scale=self._scale, seed=seed, step=step, device=device)


class EstimatorTask(_SimulationTask):
    """Trains a network to answer the noise map of the picture that it sees."""

    def __init__(
        self, sources: SampleSources, recipe: EstimatorRecipe, processes: ProcessGroup | None = None
    ) -> None:
        """Sets up the sampler.

        Args:
            sources: What to draw the samples from.
            recipe: Settings of the training.
            processes: Processes that share the batches; None for this one alone.

        Raises:
            TrainingError: No picture is large enough.
        """
        super().__init__(sources, recipe, 1, processes)
        self.recipe = recipe

    def describe(self) -> str:
        return "estimates noise"

    def make_batch(self, drawn: DrawnSamples, *, seed: int, step: int, device: torch.device) -> TrainingBatch:
        made = self._made(drawn, seed, step, device)
        return TrainingBatch((made.noisy,), as_planes(made.noise), lean=self.recipe.lean)


class StudentTask(_SimulationTask):
    """Trains a noise-conditioned network that sees every pixel to remove noise."""

    def __init__(
        self,
        sources: SampleSources,
        recipe: StudentRecipe,
        scale: int,
        lesson: str,
        processes: ProcessGroup | None = None,
        estimator: nn.Module | None = None,
    ) -> None:
        """Sets up the sampler.

        Args:
            sources: What to draw the samples from.
            recipe: Settings of the training.
            scale: Scale of the network.
            lesson: What the student learns from, for the user.
            processes: Processes that share the batches; None for this one alone.
            estimator: Trained noise estimator on the device of the training, whose answers a share of
                the samples is told, as the recipe says; None to tell all of them the truth.

        Raises:
            TrainingError: No picture is large enough.
        """
        super().__init__(sources, recipe, scale, processes)
        self.recipe, self._lesson, self._estimator = recipe, lesson, estimator

    @property
    def checksum(self) -> int:
        """Checksum of the sources, and of the estimator if there is one."""
        known = checksum_of(self._estimator.state_dict()) if self._estimator is not None else 0
        return zlib.crc32(repr((super().checksum, known)).encode())

    @property
    def noise(self) -> FolderNoise | None:
        """Noise of the photos that the student is adapted to."""
        return self._sources.own

    def describe(self) -> str:
        return self._lesson

    def make_batch(self, drawn: DrawnSamples, *, seed: int, step: int, device: torch.device) -> TrainingBatch:
        made = self._made(drawn, seed, step, device)
        before = (enlarged(made.noisy, self._scale) - made.clean).square().mean((1, 2, 3))
        return TrainingBatch((made.noisy, self._told(made, drawn)), made.clean, before)

    @torch.no_grad()
    def _told(self, made: Samples, drawn: DrawnSamples) -> Tensor:
        """Conditioning (B, 6, S / 8, S / 8): the truth or the estimate, with the error of an estimate."""
        told, plans = made.noise, drawn.plans
        if self._estimator is not None:
            is_estimated = to_device(torch.tensor([plan.is_estimated for plan in plans]), told.device)
            estimate = from_planes(self._estimator(made.noisy).float())
            told = torch.where(is_estimated[:, None, None, None], estimate, told)
        error = to_device(torch.stack([plan.conditioning_error for plan in plans]), told.device)
        return told * error.exp()[..., None, None]
