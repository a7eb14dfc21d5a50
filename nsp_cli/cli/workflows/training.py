"""What nsp train and nsp distill do after reading their options: load, train, publish and report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.api import load_weights
from nsp_cli.cli import console, progress_bars
from nsp_cli.device import describe_device
from nsp_cli.evaluation.folders import find_pairs, read_pair
from nsp_cli.ops.progress import counted
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.view import View
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.groups import GroupBy, group_photos
from nsp_cli.training.data.hold_out import hold_out
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import SMALLEST_SIDE, PhotoPool, TrainingPhoto, load_pool
from nsp_cli.training.distillation.adaptation import MOST_PHOTOS, choose_windows, prepare_adaptation
from nsp_cli.training.distillation.sampler import check_sizes
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.distillation.task import StudentTask
from nsp_cli.training.distillation.teacher_data import PHOTO_CACHE_SHARE, prepare_teacher_dataset
from nsp_cli.training.publish import (
    NOISE_UNKNOWN,
    Material,
    NamedWeights,
    checkpoint_of,
    publish,
    seconds_to_judge,
)
from nsp_cli.training.run.checkpoint import load_identity
from nsp_cli.training.run.distributed import ProcessGroup, joined_process_group
from nsp_cli.training.run.loop import TrainingProgress, run
from nsp_cli.training.run.memory import fit_crop, is_fitted
from nsp_cli.training.run.recipe import CUDA_BATCH, BaseRecipe, BlindSpotRecipe, Budget, StudentRecipe
from nsp_cli.training.run.starting_point import StartingPoint
from nsp_cli.training.run.task import Task
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve, sha256_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NOISE_UNKNOWN_HINT = (
    f"The result will not be judged: {NOISE_UNKNOWN}. "
    "Better give photos of one camera and ISO, some with sky, walls or blurred background."
)
NOTHING_HELD_OUT = "The photos are too small to hold regions out. The result will not be judged."


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """What to train, on what and for how long.

    A student without a teacher is adapted to the photos. If `is_batch_free`, a GPU may use another batch
    size.
    """

    folders: Sequence[Path]
    output: Path
    budget: Budget
    start: StartingPoint
    baseline: NamedWeights
    recipe: BlindSpotRecipe | StudentRecipe
    teacher: NamedWeights | None
    group_by: GroupBy | None
    validate: tuple[Path, Path] | None
    seed: int
    licence: str
    resume: bool
    is_batch_free: bool = False

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint, next to the weights."""
        return checkpoint_of(self.output)


def run_training(request: TrainRequest, device: torch.device) -> None:
    """Trains, alone or as one of the processes that torchrun started.

    Raises:
        NspError: As its steps do.
        KeyboardInterrupt: The user stopped the run. Its checkpoint is saved.
    """
    begun = time.monotonic()
    with joined_process_group(device) as processes, nullcontext() if processes.is_main else console.silent():
        device = processes.device(device)
        # Before any photo is decoded, because these may find that the run cannot start.
        recipe = _settle_recipe(request, processes, device)
        pairs = _read_pairs(request.validate) if request.validate and processes.is_main else []
        with _opened_cache(request, recipe, processes) as cache:
            task, material = _get_ready(request, recipe, pairs, cache, processes, device)
            trainer = _make_trainer(request, task, processes, device)
            budget = _budget_of_training(request, begun, material, processes, device)
            _train(trainer, budget, request, cache)
            if processes.is_main:
                _publish(trainer, request, material)


@contextmanager
def _opened_cache(request: TrainRequest, recipe: BaseRecipe, processes: ProcessGroup) -> Iterator[PhotoCache]:
    """Cache of the run, which is removed at the end, and at once if there is nothing to resume."""
    # The pictures that a student learns from take three times as much space as the decoded photos.
    share = PHOTO_CACHE_SHARE if isinstance(recipe, StudentRecipe) else 1.0
    with processes.first_on_machine():
        cache = PhotoCache(request.output, machine=processes.machine, share=share)
    try:
        yield cache
    except BaseException:
        # A checkpoint needs the photos again.
        if processes.is_first_on_machine and not (request.resume or cache.is_touched):
            cache.discard()
        raise
    if processes.is_first_on_machine:
        cache.discard()


def _get_ready(
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
        pool = _load(request.folders, cache, recipe, request.seed, most_photos)
        rest, held_out = hold_out(pool, least=recipe.crop if is_adaptation else SMALLEST_SIDE)
        task = _make_task(request, recipe, rest, cache, processes, device)
    material = _make_material(request, task, pool, held_out, pairs)
    _show_material(material)
    return task, material


def _settle_recipe(
    request: TrainRequest, processes: ProcessGroup, device: torch.device
) -> BlindSpotRecipe | StudentRecipe:
    """Crop and batch for all processes; those of the checkpoint if the run is resumed."""
    asked = request.recipe
    found = processes.broadcast(
        load_identity(request.checkpoint) if processes.is_main and request.resume else None
    )
    if isinstance(asked, StudentRecipe):
        return asked  # a student's samples are small
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


def _read_pairs(folders: tuple[Path, Path]) -> list[tuple[Tensor, Tensor]]:
    return [read_pair(*pair) for pair in find_pairs(*folders)]


def _load(
    folders: Sequence[Path], cache: PhotoCache, recipe: BaseRecipe, seed: int, most_photos: int | None
) -> PhotoPool:
    with progress_bars.progress("Reading photos") as on_progress:
        pool = load_pool(
            folders, cache, crop=recipe.crop, seed=seed, most_photos=most_photos, on_progress=on_progress
        )
    for _, reason in pool.skipped:
        console.warn(f"Skipped: {reason}")
    console.say(f"{len(pool.photos)} of {counted(pool.found, 'photo')}, {pool.megapixels:.1f} MP")
    return pool


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


def _show_material(material: Material) -> None:
    for found in material.groups:
        photos = counted(found.photos, "photo")
        console.say(f"  {found.name}: {photos}, {found.megapixels:.1f} MP, noise {found.noise:.1f} of 255")
    regions = counted(len(material.held_out), "region")
    console.say(f"Held out to judge the result: {regions}" if material.held_out else NOTHING_HELD_OUT)
    if material.noise and not material.noise.is_known:
        console.warn(NOISE_UNKNOWN_HINT)


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


def _budget_of_training(
    request: TrainRequest, begun: float, material: Material, processes: ProcessGroup, device: torch.device
) -> Budget:
    """The budget, less the time for everything but the training. A teacher's time is not counted."""
    budget = request.budget
    if budget.minutes is None or request.teacher:
        return budget
    restorer = load_weights(str(request.baseline.path), device=str(device))
    (elsewhere,) = processes.largest(time.monotonic() - begun + seconds_to_judge(restorer, material))
    return replace(budget, elsewhere=elsewhere)


def _make_trainer(
    request: TrainRequest, task: Task, processes: ProcessGroup, device: torch.device
) -> Trainer:
    trainer = Trainer(
        task,
        network_name=request.start.network_name,
        config=request.start.config,
        seed=request.seed,
        device=device,
        initial=request.start.weights,
        processes=processes,
    )
    if request.resume:
        trainer.resume(request.checkpoint)
    return trainer


def _train(trainer: Trainer, budget: Budget, request: TrainRequest, cache: PhotoCache) -> None:
    many = f" in {trainer.processes.size} processes" if trainer.processes.size > 1 else ""
    console.say(
        f"Training from {request.start.origin} on {describe_device(trainer.device)}{many}; "
        f"checkpoints go to {request.checkpoint}"
    )
    with _saying_how_to_continue(request.checkpoint), progress_bars.live_progress("Training") as show:
        run(
            trainer,
            budget,
            checkpoint=request.checkpoint,
            on_progress=lambda now: show(now.share, _describe(now)),
            on_save=cache.touch,
        )


@contextmanager
def _saying_how_to_continue(checkpoint: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.exists():
            console.say(f"To continue from {checkpoint}, run the same command with --resume.")
        raise


def _describe(now: TrainingProgress) -> str:
    return f"step {now.step} · loss {now.loss:.4f} · {now.left / 60:.0f} min left"


def _publish(trainer: Trainer, request: TrainRequest, material: Material) -> None:
    console.say(
        f"{counted(trainer.step, 'step')} in {trainer.seconds / 60:.1f} minutes, "
        f"{trainer.waited_share:.1%} of that time waiting for photos"
    )
    with (
        _saying_how_to_continue(request.checkpoint),
        progress_bars.progress(f"Comparing with {request.baseline.name}") as on_progress,
    ):
        published = publish(trainer, request.output, request.baseline, material, on_progress)
    for measure in published.judgement.measures if published.judgement else ():
        console.say(f"  {measure.title}: {measure.show(measure.before)} → {measure.show(measure.after)}")
    console.say(published.verdict)
    console.say(f"Look at {published.page}")
    console.out.print(str(published.weights))
