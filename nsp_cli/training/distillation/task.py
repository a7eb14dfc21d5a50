"""Training of a student on pictures that a teacher has denoised."""

from __future__ import annotations

import torch

from nsp_cli.training.distillation.sample_making import make_samples
from nsp_cli.training.distillation.sampler import DrawnSamples, StudentSampler
from nsp_cli.training.distillation.teacher_data import TeacherDataset
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import StudentRecipe
from nsp_cli.training.run.task import TrainingBatch


class StudentTask:
    """Trains a noise-conditioned network that sees every pixel to remove noise."""

    pd_factor = None

    def __init__(
        self,
        dataset: TeacherDataset,
        recipe: StudentRecipe,
        scale: int,
        teacher: str,
        processes: ProcessGroup | None = None,
    ) -> None:
        """Sets up the student sampler.

        Args:
            dataset: Pictures to draw the samples from.
            recipe: Settings of the training.
            scale: Scale of the network.
            teacher: Name of the teacher, for the user.
            processes: Processes that share the batches; None for this one alone.

        Raises:
            TrainingError: No picture is large enough.
        """
        self.recipe, self._scale, self._study, self._teacher = recipe, scale, dataset, teacher
        self._sampler = StudentSampler(dataset, recipe, scale, rank=(processes or ProcessGroup()).rank)

    @property
    def checksum(self) -> int:
        """Checksum of the data set."""
        return self._study.checksum

    @property
    def data(self) -> str:
        return self._study.pool.describe()

    def describe(self) -> str:
        return f"taught by {self._teacher}"

    def draw(self, seed: int, step: int) -> DrawnSamples:
        return self._sampler.draw(seed, step)

    def make_batch(self, drawn: DrawnSamples, *, seed: int, step: int, device: torch.device) -> TrainingBatch:
        made = make_samples(
            drawn, scale=self._scale, balance=self.recipe.balance, seed=seed, step=step, device=device
        )
        noisy = made.noisy.contiguous(memory_format=torch.channels_last)
        return TrainingBatch((noisy, made.conditioning), made.clean, made.weights, self.recipe.structure)
