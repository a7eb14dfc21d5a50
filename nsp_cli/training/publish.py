"""Publishes the result of a training run: judges the weights and writes them with a page and a card."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from nsp_cli.device import describe_device
from nsp_cli.errors import OutputError
from nsp_cli.ops.progress import OnProgress, counted
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.derived import as_it_is
from nsp_cli.training.data.groups import PhotoGroup
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.raw_files import Sensor
from nsp_cli.training.distillation.folder_noise import FolderNoise
from nsp_cli.training.distillation.own_noise import NoiseSource
from nsp_cli.training.held_out_crops import denoised_versions, most_changed_crops
from nsp_cli.training.judging import judge
from nsp_cli.training.measures import FEWEST_JUDGED, Judgement
from nsp_cli.training.page import TrainingReport, write_card, write_page
from nsp_cli.training.raw_judging import developed_versions, judge_raw
from nsp_cli.training.run.recipe import RawRecipe, StudentRecipe
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.training.verdict import FEW_REGIONS, NOISE_UNKNOWN, NONE_HELD_OUT, describe_verdict
from nsp_cli.weights.file import load_network, save_weights


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
        noise: Noise of the photos, without that of the regions; None to measure it on each region.
        sensors: Sensors by the files of the photos, if these are what sensors saw; None for pictures.
    """

    pool: PhotoPool
    held_out: Sequence[TrainingPhoto]
    validation: Sequence[tuple[Tensor, Tensor]]
    groups: Sequence[PhotoGroup]
    origin: str
    licence: str
    noise: FolderNoise | None = None
    sensors: Mapping[Path, Sensor] | None = None

    def versions(self, restorers: Mapping[str, Restorer], photo: TrainingPhoto) -> dict[str, Tensor]:
        """A region as it is, and as networks denoise it."""
        if self.sensors is None:
            return denoised_versions(restorers, photo)
        return developed_versions(restorers, photo, self.sensors[photo.file])


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


def check_free(output: Path) -> None:
    """Checks that a new run would replace neither results nor the checkpoint of an interrupted run.

    Raises:
        OutputError: A file exists.
    """
    if checkpoint_of(output).exists() and not output.exists():
        raise OutputError(
            f"{checkpoint_of(output)} belongs to a run that was interrupted.",
            "Continue that run with --resume, or start again with --overwrite.",
        )
    for path in (output, *files_beside(output)):
        if path.exists():
            raise OutputError(
                f"{path} already exists.",
                "Use another name, or --overwrite. To train longer, use --resume and more --minutes.",
            )


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
    judgement, reason = _judged(trainer, before, after, material, on_progress)
    verdict = describe_verdict(judgement, output, baseline.name, reason=reason)
    # The prefixes distinguish the versions even if the names are equal, or "noisy".
    restorers = {f"before: {baseline.name}": before, f"after: {output.stem}": after}
    report = _report(trainer, output.stem, restorers, material, judgement, verdict)
    page, card = files_beside(output)
    write_page(page, report)
    write_card(card, report)
    _save(trainer, output, _metadata(trainer, baseline, material, judgement))
    return Published(output, page, card, judgement, verdict)


def _judged(
    trainer: Trainer,
    before: Restorer,
    after: Restorer,
    material: Material,
    on_progress: OnProgress | None,
) -> tuple[Judgement | None, str]:
    """Comparison of the two networks, and why there would be none."""
    lacking = NONE_HELD_OUT
    if material.sensors is not None:
        lacking = FEW_REGIONS if material.held_out else lacking
        return judge_raw(before, after, material.held_out, material.sensors, on_progress), lacking
    pictures, noises = _to_judge(material)
    judgement = judge(
        before,
        after,
        pictures,
        pd_factor=trainer.task.pd_factor,
        validation=material.validation,
        noises=noises,
        on_progress=on_progress,
    )
    return judgement, NOISE_UNKNOWN if material.held_out and not pictures else lacking


def _to_judge(material: Material) -> tuple[list[Tensor], list[NoiseSource | None]]:
    """Held-out regions to judge on, and noise like that of each, if it is not to be measured.

    Students are judged where flat places confirm that the noise is the folder's, on four regions at least.
    """
    pictures = [as_it_is(photo) for photo in material.held_out]
    if material.noise is None:
        return pictures, [None] * len(pictures)
    regions = zip(pictures, material.held_out, strict=True)
    known = [(picture, material.noise.like(picture, photo.facts)) for picture, photo in regions]
    chosen = [(picture, noise) for picture, noise in known if noise]
    if len(chosen) < FEWEST_JUDGED:
        return [], []
    return [picture for picture, _ in chosen], [noise for _, noise in chosen]


def seconds_to_judge(restorer: Restorer, material: Material) -> float:
    """About how long `publish` will take; restores one region to know."""
    if not material.held_out:
        return 0.0
    largest = max(material.held_out, key=lambda photo: photo.megapixels)
    material.versions({"": restorer}, largest)  # the first time takes longer
    begun = time.monotonic()
    material.versions({"": restorer}, largest)
    per_megapixel = (time.monotonic() - begun) / largest.megapixels
    judged = sum(photo.megapixels for photo in material.held_out)
    pairs = sum(noisy.shape[1] * noisy.shape[2] / 1e6 for noisy, _ in material.validation)
    # Both weights restore every region twice, to judge it and to find the crops; of RAW files, the earlier
    # ones also say what is expected there.
    times = 4 if material.sensors is None else 5
    return per_megapixel * (times * judged + 2 * pairs)


def _report(
    trainer: Trainer,
    name: str,
    restorers: Mapping[str, Restorer],
    material: Material,
    judgement: Judgement | None,
    verdict: str,
) -> TrainingReport:
    (before, after), (factor, loss) = restorers, _loss_of(trainer)
    return TrainingReport(
        name=name,
        facts=_facts(trainer, material),
        curve=[(step, value * factor) for step, value in trainer.curve.points()],
        loss=loss,
        before=before,
        after=after,
        judgement=judgement,
        verdict=verdict,
        groups=material.groups,
        crops=most_changed_crops(material.held_out, partial(material.versions, restorers)),
        skipped=[reason for _, reason in material.pool.skipped],
        licence=material.licence,
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
    pool, recipe, (factor, loss) = material.pool, trainer.recipe, _loss_of(trainer)
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
        "loss at the end": f"{trainer.curve.recent * factor:.2f}, {loss}",
    }


def _loss_of(trainer: Trainer) -> tuple[float, str]:
    """Factor and name of the loss as people read it."""
    if isinstance(trainer.recipe, StudentRecipe | RawRecipe):
        return 1.0, "mean logarithm of the error"
    return 255.0, "mean absolute error (0–255)"


def _parameters(trainer: Trainer) -> int:
    return sum(parameter.numel() for parameter in trainer.network.parameters())
