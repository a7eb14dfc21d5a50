"""What a training run learns from and is judged by: photos, what is made of them, and the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from nsp_cli.api import load_weights
from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.workflows.training_request import TrainRequest
from nsp_cli.ops.progress import counted
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.view import View
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.groups import group_photos
from nsp_cli.training.data.hold_out import hold_out
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import SMALLEST_SIDE, LoadPhoto, PhotoPool, TrainingPhoto, load_pool
from nsp_cli.training.distillation.adaptation import MOST_PHOTOS, choose_windows, prepare_adaptation
from nsp_cli.training.distillation.sampler import check_sizes
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.distillation.task import StudentTask
from nsp_cli.training.distillation.teacher_data import PHOTO_CACHE_SHARE, prepare_teacher_dataset
from nsp_cli.training.measures import FEWEST_JUDGED
from nsp_cli.training.publish import (
    Material,
)
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import BaseRecipe, BlindSpotRecipe, StudentRecipe
from nsp_cli.training.run.task import Task
from nsp_cli.training.verdict import NOISE_UNKNOWN
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve, sha256_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NOISE_UNKNOWN_HINT = (
    f"The result will not be judged: {NOISE_UNKNOWN}. "
    "Better give photos of one camera and ISO, some with sky, walls or blurred background."
)
FEW_REGIONS_HINT = (
    f"The result will not be judged: that takes {FEWEST_JUDGED} regions. Give more photos, or larger ones."
)
NOTHING_HELD_OUT = "The photos are too small to hold regions out. The result will not be judged."


@contextmanager
def opened_cache(request: TrainRequest, recipe: BaseRecipe, processes: ProcessGroup) -> Iterator[PhotoCache]:
    """Cache of the run, which is removed at the end, and at once if there is nothing to resume."""
    # The pictures that a student learns from take three times as much space as the decoded photos.
    share = PHOTO_CACHE_SHARE if isinstance(recipe, StudentRecipe) else 1.0
    with processes.first_on_machine():
        cache = PhotoCache(request.output, machine=processes.machine, share=share)
    processes.meet()  # whoever opens the cache removes what is unfinished there
    try:
        yield cache
    except BaseException:
        # A checkpoint needs the photos again.
        if processes.is_first_on_machine and not (request.resume or cache.is_touched):
            cache.discard()
        raise
    if processes.is_first_on_machine:
        cache.discard()


def get_ready(
    request: TrainRequest,
    recipe: BlindSpotRecipe | StudentRecipe,
    pairs: Sequence[tuple[Tensor, Tensor]],
    cache: PhotoCache,
    processes: ProcessGroup,
    device: torch.device,
) -> tuple[Task, Material]:
    """Reads the photos, holds some out and makes what the network learns from."""
    is_adaptation = isinstance(recipe, StudentRecipe) and request.teacher is None
    most_photos = MOST_PHOTOS if is_adaptation else None
    with processes.first_on_machine():
        pool = load_photos(request, cache, recipe.crop, most_photos)
        rest, held_out = hold_out(pool, least=recipe.crop if is_adaptation else SMALLEST_SIDE)
        task = _make_task(request, recipe, rest, cache, processes, device)
    material = _make_material(request, task, pool, held_out, pairs)
    show_material(material)
    return task, material


def load_photos(
    request: TrainRequest,
    cache: PhotoCache,
    crop: int,
    most_photos: int | None,
    load: LoadPhoto | None = None,
) -> PhotoPool:
    """Decodes the photos, and says which are left out."""
    with progress_bars.progress("Reading photos") as on_progress:
        pool = load_pool(
            request.folders,
            cache,
            crop=crop,
            seed=request.seed,
            most_photos=most_photos,
            load=load,
            on_progress=on_progress,
        )
    for _, reason in pool.skipped:
        console.warn(f"Skipped: {reason}")
    console.say(f"{len(pool.photos)} of {counted(pool.found, 'photo')}, {pool.megapixels:.1f} MP")
    return pool


def _make_task(
    request: TrainRequest,
    recipe: BlindSpotRecipe | StudentRecipe,
    pool: PhotoPool,
    cache: PhotoCache,
    processes: ProcessGroup,
    device: torch.device,
) -> Task:
    spec = request.start.config.spec()
    if isinstance(recipe, BlindSpotRecipe):
        return BlindSpotTask(pool, recipe, spec, processes)
    check_sizes(pool, recipe, spec.scale)
    sources = _prepare(request, recipe, pool, cache, device)
    lesson = f"taught by {request.teacher.name}" if request.teacher else "the noise of these photos"
    estimator = load_network(resolve("auto-noise").path)[0].to(device)
    return StudentTask(sources, recipe, spec.scale, lesson, processes, estimator)


def _prepare(
    request: TrainRequest, recipe: StudentRecipe, pool: PhotoPool, cache: PhotoCache, device: torch.device
) -> SampleSources:
    """What a student's samples are drawn from: made by its teacher, or by the weights that it starts from."""
    maker = request.teacher or request.baseline
    restorer, by = load_weights(str(maker.path), device=str(device)), sha256_of(maker.path)

    def denoise(photo: Tensor, view: View | None = None) -> Tensor:
        return pipeline.denoise_tensor(restorer, photo, view=view)[0]

    with progress_bars.progress(f"Denoising with {maker.name}") as on_progress:
        if request.teacher is None:
            windows = choose_windows(pool, request.budget, recipe.crop, request.seed)
            return prepare_adaptation(pool, windows, cache, partial(denoise, view=View()), by, on_progress)
        execution = restorer.execution
        return SampleSources(
            cameras=prepare_teacher_dataset(pool, cache, denoise, by, on_progress, execution)
        )


def _make_material(
    request: TrainRequest,
    task: Task,
    pool: PhotoPool,
    held_out: Sequence[TrainingPhoto],
    pairs: Sequence[tuple[Tensor, Tensor]],
) -> Material:
    groups = group_photos(pool.photos, request.group_by) if request.group_by else []
    noise = task.noise if isinstance(task, StudentTask) else None
    return Material(pool, held_out, pairs, groups, request.start.origin, request.licence, noise)


def show_material(material: Material) -> None:
    """Says what there is to learn from and to judge by."""
    for found in material.groups:
        photos = counted(found.photos, "photo")
        console.say(f"  {found.name}: {photos}, {found.megapixels:.1f} MP, noise {found.noise:.1f} of 255")
    regions = counted(len(material.held_out), "region")
    console.say(f"Held out to judge the result: {regions}" if material.held_out else NOTHING_HELD_OUT)
    if material.sensors is not None and 0 < len(material.held_out) < FEWEST_JUDGED:
        console.warn(FEW_REGIONS_HINT)
    if material.noise and not material.noise.is_known:
        console.warn(NOISE_UNKNOWN_HINT)
