"""What a student is trained to do: to answer its lessons as the teacher would, or better."""

from __future__ import annotations

import torch

from nsp_cli.training.distillation.sample_making import make_lessons
from nsp_cli.training.distillation.samples import Drawn, LessonSampler
from nsp_cli.training.distillation.teacher_data import Study
from nsp_cli.training.run.distributed import World
from nsp_cli.training.run.recipe import StudentRecipe
from nsp_cli.training.run.task import Batch


class StudentTask:
    """To remove noise that it is told of from pictures that it sees whole."""

    pd_factor = None

    def __init__(
        self, study: Study, recipe: StudentRecipe, scale: int, teacher: str, world: World | None = None
    ) -> None:
        """Sorts the pictures.

        Args:
            study: What lessons are drawn from.
            recipe: How.
            scale: The network's.
            teacher: Name of the teacher, for people.
            world: The processes that share the batches.

        Raises:
            TrainingError: No picture is large enough.
        """
        self.recipe, self._scale, self._study, self._teacher = recipe, scale, study, teacher
        self._sampler = LessonSampler(study, recipe, scale, rank=(world or World()).rank)

    @property
    def checksum(self) -> int:
        """As in `Task`; so are the others."""
        return self._study.checksum

    @property
    def data(self) -> str:
        return self._study.pool.describe()

    def describe(self) -> str:
        return f"taught by {self._teacher}"

    def draw(self, seed: int, step: int) -> Drawn:
        return self._sampler.draw(seed, step)

    def make_batch(self, drawn: Drawn, *, seed: int, step: int, device: torch.device) -> Batch:
        made = make_lessons(
            drawn, scale=self._scale, balance=self.recipe.balance, seed=seed, step=step, device=device
        )
        noisy = made.noisy.contiguous(memory_format=torch.channels_last)
        return Batch((noisy, made.noise), made.clean, made.weights, self.recipe.structure)
