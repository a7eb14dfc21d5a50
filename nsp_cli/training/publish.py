"""Publishes the result of a training run: judges the weights and writes them with a page and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nsp_cli.device import describe_device
from nsp_cli.errors import OutputError
from nsp_cli.ops.pixels import from_unit_range, pixels_to_tensor, tensor_to_pixels, to_unit_range
from nsp_cli.ops.progress import OnProgress, counted
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Execution, Restorer
from nsp_cli.training.data.groups import PhotoGroup
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.judging import Judgement, judge
from nsp_cli.training.page import HeldOutCrop, TrainingReport, write_card, write_page
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.weights.file import load_network, save_weights

_CROPS, _CROP_SIDE = 4, 320


@dataclass(frozen=True)
class NamedWeights:
    """A weights file and the name to show for it."""

    name: str
    path: Path


@dataclass(frozen=True, eq=False)
class Material:
    """Photos and facts of a run that its publication needs.

    Attributes:
        pool: All photos, including those held out.
        held_out: Regions to judge on.
        validation: Pairs of noisy and clean uint8 pictures; may be empty.
        groups: Groups of the photos.
        origin: Description of the weights that the run started from.
        licence: Licence of the weights; may be empty.
    """

    pool: PhotoPool
    held_out: Sequence[TrainingPhoto]
    validation: Sequence[tuple[Tensor, Tensor]]
    groups: Sequence[PhotoGroup]
    origin: str
    licence: str


@dataclass(frozen=True)
class Published:
    """Files and verdict of a finished run.

    Attributes:
        weights, page, card: Files that were written.
        judgement: Comparison with the baseline; None if there was nothing to judge on.
        verdict: Sentence with the recommendation.
    """

    weights: Path
    page: Path
    card: Path
    judgement: Judgement | None
    verdict: str


def files_beside(output: Path) -> tuple[Path, Path]:
    """Page and card that belong to a weights file."""
    return output.with_suffix(".html"), output.with_suffix(".md")


def checkpoint_of(output: Path) -> Path:
    """Checkpoint of the run that writes these weights."""
    return output.with_name(output.name + ".checkpoint")


def check_free(output: Path, *, resume: bool = False) -> None:
    """Checks that a run would replace neither results nor the checkpoint of an interrupted run.

    Args:
        output: Weights file to write.
        resume: Whether the run is resumed. Its page and card may exist then, because they are written first.

    Raises:
        OutputError: A file exists.
    """
    if not resume and checkpoint_of(output).exists() and not output.exists():
        raise OutputError(
            f"{checkpoint_of(output)} belongs to a run that was interrupted.",
            "Continue that run with --resume, or start again with --overwrite.",
        )
    for path in (output,) if resume else (output, *files_beside(output)):
        if path.exists():
            raise OutputError(f"{path} already exists.", "Use another name, or --overwrite.")


def publish(
    trainer: Trainer,
    output: Path,
    baseline: NamedWeights,
    material: Material,
    on_progress: OnProgress | None = None,
) -> Published:
    """Judges the new weights, and writes the page, the card and the weights.

    The weights are written last. Until they exist, --resume can repeat this step.

    Raises:
        WeightsError: A weight is not finite.
        OutputError: A file cannot be written.
    """
    execution = Execution.choose(str(trainer.device))
    before = _load(baseline.path, execution)
    after = Restorer(trainer.averaged_network(), trainer.config.spec(), execution)
    pictures = [pixels_to_tensor(photo.read(0, 0, photo.height, photo.width)) for photo in material.held_out]
    judgement = judge(
        before,
        after,
        pictures,
        pd_factor=trainer.task.pd_factor,
        validation=material.validation,
        on_progress=on_progress,
    )
    verdict = describe_verdict(judgement, output, baseline)
    # The prefixes distinguish the versions even if the names are equal, or "noisy".
    restorers = {f"before: {baseline.name}": before, f"after: {output.stem}": after}
    report = _report(trainer, output.stem, restorers, material, judgement, verdict)
    page, card = files_beside(output)
    write_page(page, report)
    write_card(card, report)
    _save(trainer, output, _metadata(trainer, baseline, material, judgement))
    return Published(output, page, card, judgement, verdict)


def _report(
    trainer: Trainer,
    name: str,
    restorers: Mapping[str, Restorer],
    material: Material,
    judgement: Judgement | None,
    verdict: str,
) -> TrainingReport:
    before, after = restorers
    return TrainingReport(
        name=name,
        facts=_facts(trainer, material),
        curve=trainer.curve.points(),
        before=before,
        after=after,
        judgement=judgement,
        verdict=verdict,
        groups=material.groups,
        crops=_crops(restorers, material.held_out),
        skipped=[reason for _, reason in material.pool.skipped],
        licence=material.licence,
    )


def describe_verdict(judgement: Judgement | None, output: Path, baseline: NamedWeights) -> str:
    """Sentence that says which weights to use, and why."""
    by_eye = f"Compare {output.name} with {baseline.name} by eye."
    if judgement is None:
        return f"Not judged: the photos are too few or too small to hold any out. {by_eye}"
    measure = judgement.decisive
    gain = f"{measure.title}: gain {measure.show_gain()}"
    if measure.is_single:
        return f"Not judged: a single picture cannot distinguish a gain from chance ({gain}). {by_eye}"
    if measure.is_better:
        return f"Better than {baseline.name} ({gain})."
    if measure.is_worse:
        return f"Worse than {baseline.name}; keep using {baseline.name} ({gain})."
    return (
        f"The difference from {baseline.name} may be chance; keep using {baseline.name} ({gain}; a gain "
        "counts if it is more than twice the number after ±)."
    )


def _metadata(
    trainer: Trainer, baseline: NamedWeights, material: Material, judgement: Judgement | None
) -> dict[str, str]:
    metadata = trainer.metadata() | {"start": material.origin, "compared_with": baseline.name}
    metadata |= {"licence": material.licence} if material.licence else {}
    if judgement is None or judgement.decisive.is_single:
        return metadata | {"recommended": "unknown"}
    return metadata | {"recommended": "yes" if judgement.is_better else "no"}


def _save(trainer: Trainer, output: Path, metadata: Mapping[str, str]) -> None:
    save_weights(
        output,
        trainer.averaged_network(),
        network_name=trainer.network_name,
        config=trainer.config,
        metadata=dict(metadata),
    )


def _load(path: Path, execution: Execution) -> Restorer:
    network, info = load_network(path)
    return Restorer(network, info.config.spec(), execution)


def _facts(trainer: Trainer, material: Material) -> dict[str, str]:
    pool, recipe = material.pool, trainer.recipe
    return {
        "started from": material.origin,
        "network": f"{trainer.network_name}, {_parameters(trainer):,} parameters",
        "photos": f"{len(pool.photos)} of {pool.found}, {pool.megapixels:.1f} MP",
        "held out": counted(len(material.held_out), "region"),
        "recipe": f"{recipe.crop}² crops in batches of {recipe.batch}, {trainer.task.describe()}, "
        f"learning rate {recipe.learning_rate:g}, seed {trainer.seed}",
        "run": f"{counted(trainer.step, 'step')} in {trainer.seconds / 60:.1f} minutes on "
        f"{describe_device(trainer.device)}",
        "waiting for photos": f"{trainer.waited_share:.1%} of the time",
        "loss at the end": f"{trainer.curve.recent * 255:.2f} levels, mean absolute error",
    }


def _parameters(trainer: Trainer) -> int:
    return sum(parameter.numel() for parameter in trainer.network.parameters())


def _crops(restorers: Mapping[str, Restorer], held_out: Sequence[TrainingPhoto]) -> list[HeldOutCrop]:
    """Middle crops of some regions, from the least to the most noisy."""
    ordered, last = sorted(held_out, key=lambda photo: photo.noise), len(held_out) - 1
    places = dict.fromkeys(last * index // (_CROPS - 1) for index in range(_CROPS)) if held_out else ()
    return [_crop(restorers, ordered[place]) for place in places]


def _crop(restorers: Mapping[str, Restorer], photo: TrainingPhoto) -> HeldOutCrop:
    region = pixels_to_tensor(photo.read(0, 0, photo.height, photo.width))
    top = max(0, (photo.height - _CROP_SIDE) // 2)
    left = max(0, (photo.width - _CROP_SIDE) // 2)
    versions = {"noisy": region}
    versions |= {name: pipeline.denoise_tensor(restorer, region)[0] for name, restorer in restorers.items()}
    cut = {name: v[:, top : top + _CROP_SIDE, left : left + _CROP_SIDE] for name, v in versions.items()}
    pixels = {name: from_unit_range(to_unit_range(v), torch.uint8) for name, v in cut.items()}
    return HeldOutCrop(photo.source.name, {name: tensor_to_pixels(v) for name, v in pixels.items()})
