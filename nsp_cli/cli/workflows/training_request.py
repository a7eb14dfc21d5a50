"""What a training run is asked for, and what of it depends on the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.training.data.groups import GroupBy
from nsp_cli.training.publish import (
    NamedWeights,
    checkpoint_of,
)
from nsp_cli.training.run.checkpoint import load_identity
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.memory import fit_crop, is_fitted
from nsp_cli.training.run.recipe import (
    CUDA_BATCH,
    BlindSpotRecipe,
    Budget,
    RawAdaptationRecipe,
    StudentRecipe,
)
from nsp_cli.training.run.starting_point import StartingPoint

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """What to train, on what and for how long.

    A student without a teacher is adapted to the photos. If `is_batch_free`, a GPU may use another batch
    size. The reason tells the user why this network was chosen; it may be empty.
    """

    folders: Sequence[Path]
    output: Path
    budget: Budget
    start: StartingPoint
    baseline: NamedWeights
    recipe: BlindSpotRecipe | StudentRecipe | RawAdaptationRecipe
    teacher: NamedWeights | None
    group_by: GroupBy | None
    validate: tuple[Path, Path] | None
    seed: int
    licence: str
    resume: bool
    is_batch_free: bool = False
    reason: str = ""

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint, next to the weights."""
        return checkpoint_of(self.output)


def settle_recipe(
    request: TrainRequest, processes: ProcessGroup, device: torch.device
) -> BlindSpotRecipe | StudentRecipe | RawAdaptationRecipe:
    """Crop and batch for all processes; those of the checkpoint if the run is resumed."""
    asked = request.recipe
    found = processes.broadcast(
        load_identity(request.checkpoint) if processes.is_main and request.resume else None
    )
    if not isinstance(asked, BlindSpotRecipe):
        return asked  # other samples are small
    begun = found.get("recipe", {}) if request.resume else {}
    if request.is_batch_free:
        usual = CUDA_BATCH if device.type == "cuda" else asked.batch
        asked = replace(asked, batch=begun.get("batch", usual))
    if request.resume:
        crop = begun.get("crop", asked.crop)
        # Another crop was asked for, and will be refused when the checkpoint is loaded.
        return replace(asked, crop=crop) if is_fitted(crop, asked.crop) else asked
    (largest,) = processes.largest(-fit_crop(asked, request.start.config, device).crop)
    recipe = replace(asked, crop=-int(largest))
    if recipe.crop != asked.crop:
        console.warn(f"Crops have {recipe.crop} pixels, because larger ones do not fit into free memory.")
    return recipe
