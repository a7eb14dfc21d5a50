"""Draws training samples: the kind of each, its picture, and the noise to add to it."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import torch
from torch import Tensor

from nsp_cli.errors import TrainingError
from nsp_cli.training.data.pool import PhotoPool, TrainingPhoto
from nsp_cli.training.data.sampler import photo_weight
from nsp_cli.training.distillation.crops import busiest_crop, draw_crop
from nsp_cli.training.distillation.noise_drawing import draw_added_noise, finished
from nsp_cli.training.distillation.sample_plan import CarriedNoise, DrawnSamples, SamplePlan, draw_plan
from nsp_cli.training.distillation.sources import SampleSources
from nsp_cli.training.run.recipe import PictureShares, SimulationRecipe
from nsp_cli.training.seeded_random import (
    WeightedChoice,
    generator_for,
    random_below,
    random_event,
    random_log_uniform,
    random_uniform,
)
from nsp_cli.training.simulation.augmentation import Augmentation, toned
from nsp_cli.training.simulation.drawing import draw_drawing
from nsp_cli.training.simulation.heap import draw_heap
from nsp_cli.training.simulation.night import draw_night
from nsp_cli.training.simulation.printed import draw_print

# Megapixels from which a picture is drawn no more often: a large photo shows no more scenes.
_MOST_MEGAPIXELS = 2.0
# Share of the drawings that are prints.
_PRINTS = 0.4
# The same among those that get the noise of the photos to adapt to, and the factors of that noise's level.
_OWN_DRAWN, _OWN_GAINS = 0.1, (0.75, 1.33)
# Factors of faint noise.
_FAINT_GAINS = (0.08, 0.8)
# Kinds that share what one of them has no source for.
_GROUPS = (
    ("own", "camera", "sensor", "flat", "measured", "grain", "gaussian", "drawn", "stars", "dark"),
    ("pairs", "moved", "taught"),
    ("still", "still_drawn"),
)
# Chance that a real pair is changed, and its exposure and noise then. There are few pairs.
_CHANGED, _EXPOSURES, _NOISES = 0.5, (0.7, 1.15), (0.4, 1.1)
# Pictures among which a pair's noise finds the one of the most similar brightness, the factors by which that
# is fitted to the pair's, and the spread of the noise's level, as a power of e.
_TRIED, _FITS, _SPREAD = 6, (0.4, 1.3), 0.4


class SimulationSampler:
    """Draws samples; the same seed and step always give the same ones."""

    def __init__(
        self, sources: SampleSources, recipe: SimulationRecipe, scale: int = 1, *, rank: int = 0
    ) -> None:
        """Gives each kind of sample and each picture its probability.

        Args:
            sources: What to draw from.
            recipe: Shares of the kinds of samples and of the sources of pictures.
            scale: t, how many times the targets are larger than the inputs.
            rank: This process draws the samples `rank`·B to `rank`·B + B − 1 of a step.

        Raises:
            TrainingError: No photo is as large as a target.
        """
        self._sources, self._recipe, self._rank = sources, recipe, rank
        self._side = recipe.crop * scale
        cameras = sources.cameras
        self._noises = cameras.noises if cameras else ()
        self._tables = cameras.tables if cameras else ()
        self._photos = _photo_choice(sources, recipe.pictures, self._side)
        self._heaps = recipe.pictures.heaps / sum(astuple(recipe.pictures))
        self._pairs = [pair for pair in sources.pairs if pair.clean.side >= self._side]
        taught = [pair for pair in (cameras.real if cameras else ()) if pair.clean.side >= self._side]
        chances = [photo_weight(pair.noisy, recipe.noise_emphasis) for pair in taught]
        self._taught = WeightedChoice(taught, chances)
        self._kinds = self._kind_choice()

    def draw(self, seed: int, step: int) -> DrawnSamples:
        """Samples of a step for this process."""
        first = self._rank * self._recipe.batch
        numbers = range(first, first + self._recipe.batch)
        drawn = [self._draw_one(number, generator_for(seed, step, number)) for number in numbers]
        return DrawnSamples(torch.stack([picture for picture, _ in drawn]), tuple(plan for _, plan in drawn))

    def _kind_choice(self) -> WeightedChoice[str]:
        sourceless = {
            "own": self._sources.own is None or self._side > self._recipe.crop,
            "flat": not self._sources.flats,
            "measured": not self._noises,
            "pairs": not self._pairs,
            "moved": not self._pairs,
            "taught": not self._taught.weight,
        }
        shares: dict[str, float] = {}
        for group in _GROUPS:
            whole = {kind: getattr(self._recipe.shares, kind) for kind in group}
            usable = {kind: share for kind, share in whole.items() if share and not sourceless.get(kind)}
            factor = sum(whole.values()) / sum(usable.values()) if usable else 0.0
            shares |= {kind: share * factor for kind, share in usable.items()}
        return WeightedChoice(list(shares), list(shares.values()))

    def _draw_one(self, number: int, generator: torch.Generator) -> tuple[Tensor, SamplePlan]:
        kind = self._kinds.draw(generator)
        plan = draw_plan(number, generator, estimated=self._recipe.estimated)
        whole = {"own": self._own, "pairs": self._pair, "moved": self._moved, "taught": self._taught_photo}
        if kind in whole:
            return whole[kind](plan, generator)
        if kind in ("still", "still_drawn"):
            show = self._picture if kind == "still" else self._drawing
            return show(generator), plan
        picture = self._shown(kind, generator)
        noise = draw_added_noise(
            kind, picture, self._recipe.crop, self._sources.flats, self._noises, generator
        )
        is_faint = random_event(self._recipe.faint, generator)
        gain = random_log_uniform(*_FAINT_GAINS, generator) if is_faint else 1.0
        plan = replace(plan, noise=noise, gain=gain)
        textured = self._recipe.textured
        return picture, finished(plan, kind, self._tables, generator, textured=textured)

    def _shown(self, kind: str, generator: torch.Generator) -> Tensor:
        if kind == "drawn":
            return self._drawing(generator)
        return draw_night(self._side, generator) if kind == "stars" else self._picture(generator)

    def _drawing(self, generator: torch.Generator) -> Tensor:
        draw = draw_print if random_event(_PRINTS, generator) else draw_drawing
        return draw(self._side, generator)

    def _picture(self, generator: torch.Generator) -> Tensor:
        """A heap, or a crop of a photo."""
        if random_event(self._heaps, generator):
            return draw_heap(self._side, generator)
        return busiest_crop(self._photos, self._side, self._recipe.busy, generator)

    def _own(self, plan: SamplePlan, generator: torch.Generator) -> tuple[Tensor, SamplePlan]:
        """Noise of the photos to adapt to, as it is, a little stronger or fainter."""
        assert self._sources.own is not None
        picture = (
            self._drawing(generator) if random_event(_OWN_DRAWN, generator) else self._picture(generator)
        )
        if self._sources.is_grey:
            picture = toned(picture, (1, 1, 1))
        noise = self._sources.own.sample(picture, generator)
        gain = random_log_uniform(*_OWN_GAINS, generator)
        return picture, replace(plan, noise=CarriedNoise(noise, gain), is_rounded=not self._sources.is_fine)

    def _pair(self, plan: SamplePlan, generator: torch.Generator) -> tuple[Tensor, SamplePlan]:
        """A real pair, half of the time with another exposure and less or a little more noise."""
        noisy, clean = self._pair_crop(self._side, generator)
        if not random_event(_CHANGED, generator):
            return clean, replace(plan, noise=CarriedNoise(noisy - clean))
        gain = random_uniform(*_EXPOSURES, generator)
        noise = CarriedNoise(noisy - clean, gain * random_uniform(*_NOISES, generator))
        return clean, replace(
            plan, noise=noise, augmentation=Augmentation(gains=(gain,) * 3), is_rounded=True
        )

    def _moved(self, plan: SamplePlan, generator: torch.Generator) -> tuple[Tensor, SamplePlan]:
        """Noise of a real pair on a picture as bright, where it would be much the same."""
        noisy, clean = self._pair_crop(self._recipe.crop, generator)
        level = float(clean.mean())
        tried = [self._picture(generator) for _ in range(_TRIED)]
        picture = min(tried, key=lambda one: abs(math.log((float(one.mean()) + 0.02) / (level + 0.02))))
        gain = min(max(level / (float(picture.mean()) + 1e-3), _FITS[0]), _FITS[1])
        noise = CarriedNoise(
            noisy - clean, math.exp(_SPREAD * float(torch.randn((), generator=generator)) - 0.2)
        )
        return picture, replace(
            plan, noise=noise, augmentation=Augmentation(gains=(gain,) * 3), is_rounded=True
        )

    def _pair_crop(self, side: int, generator: torch.Generator) -> list[Tensor]:
        pair = self._pairs[random_below(len(self._pairs), generator)]
        return draw_crop([pair.noisy, pair.clean], side, generator)

    def _taught_photo(self, plan: SamplePlan, generator: torch.Generator) -> tuple[Tensor, SamplePlan]:
        pair = self._taught.draw(generator)
        noisy, clean = draw_crop([pair.noisy, pair.clean], self._side, generator)
        return clean, replace(plan, noise=CarriedNoise(noisy - clean))


def _photo_choice(sources: SampleSources, shares: PictureShares, side: int) -> WeightedChoice[TrainingPhoto]:
    """Choice among all photos that are large enough, each source with its share."""
    cameras = sources.cameras
    listed = (
        (sources.clean, shares.clean),
        (cameras.downscaled if cameras else (), shares.downscaled),
        (cameras.denoised if cameras else (), shares.denoised),
    )
    pictures: list[TrainingPhoto] = []
    weights: list[float] = []
    for source, share in listed:
        usable = [picture for picture in source if picture.side >= side]
        chances = [min(picture.megapixels, _MOST_MEGAPIXELS) for picture in usable]
        pictures += usable
        weights += [share * chance / sum(chances) for chance in chances]
    if not sum(weights):
        raise _too_small(side)
    return WeightedChoice(pictures, weights)


def check_sizes(pool: PhotoPool, recipe: SimulationRecipe, scale: int) -> None:
    """Checks that at least one photo is large enough, before the teacher spends an hour on them.

    Raises:
        TrainingError: All photos are too small.
    """
    side = recipe.crop * scale
    if max(photo.side for photo in pool.photos) < side:
        raise _too_small(side)


def _too_small(side: int) -> TrainingError:
    return TrainingError(
        f"All photos are too small: the training samples need {side} pixels a side.", "Add larger photos."
    )
