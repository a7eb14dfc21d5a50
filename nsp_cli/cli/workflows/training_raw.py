"""What a RAW network is adapted to and judged by: a photographer's own RAW files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsp_cli.api import load_weights
from nsp_cli.cli import progress_bars
from nsp_cli.cli.workflows.training_data import load_photos, show_material
from nsp_cli.cli.workflows.training_request import TrainRequest
from nsp_cli.training.data.groups import group_photos
from nsp_cli.training.data.hold_out import hold_out
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.raw_files import load_mosaic, read_sensors
from nsp_cli.training.distillation.adaptation import choose_windows
from nsp_cli.training.publish import Material
from nsp_cli.training.raw.own_preparation import prepare_own_windows
from nsp_cli.training.raw.own_task import OwnRawTask
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import Budget, RawAdaptationRecipe
from nsp_cli.training.run.task import Task
from nsp_cli.weights.resolve import sha256_of

if TYPE_CHECKING:
    import torch

# Files to decode: two for each minute of the run, because one of 24 megapixels takes about ten seconds.
_FEWEST, _MOST, _PER_MINUTE = 8, 48, 2
# What the side of a window needs beside a crop: mosaics are cut so that red comes first.
_ALIGNING = 2


def get_raw_ready(
    request: TrainRequest,
    recipe: RawAdaptationRecipe,
    cache: PhotoCache,
    processes: ProcessGroup,
    device: torch.device,
) -> tuple[Task, Material]:
    """Decodes the RAW files, holds some out and makes what the network learns from."""
    least, by = recipe.crop + _ALIGNING, sha256_of(request.baseline.path)
    restorer = load_weights(str(request.baseline.path), device=str(device))
    with processes.first_on_machine():
        pool = load_photos(request, cache, least, _most_photos(request.budget), load_mosaic)
        sensors = read_sensors(pool.photos)
        rest, held_out = hold_out(pool, least=least)
        windows = choose_windows(rest, request.budget, least, request.seed)
        with progress_bars.progress(f"Denoising with {request.baseline.name}") as on_progress:
            own = prepare_own_windows(windows, sensors, cache, restorer, by, on_progress)
    groups = group_photos(pool.photos, request.group_by) if request.group_by else []
    material = Material(pool, held_out, (), groups, request.start.origin, request.licence, sensors=sensors)
    show_material(material)
    return OwnRawTask(own, recipe, by, processes), material


def _most_photos(budget: Budget) -> int:
    """Number of files to decode at most."""
    if budget.minutes is None:
        return _MOST
    return max(_FEWEST, min(_MOST, round(_PER_MINUTE * budget.minutes)))
