"""Training recipes, the paper's and ours, and the budget of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nsp_cli.training.data.pairs import Strategy


@dataclass(frozen=True)
class BaseRecipe:
    """Settings of the optimiser and the batches, which every recipe has.

    Attributes:
        crop: Side of a crop in photo pixels.
        batch: Crops per step and process.
        learning_rate: Highest learning rate of the schedule.
        schedule: "cosine", after a warm-up, or "fixed".
        warm_up: Share of the run in which the rate of a cosine schedule rises.
        weight_decay: Weight decay of AdamW; 0 makes it plain Adam.
        ema_decay: Decay of the running mean of the weights, which is published; 0 publishes the last weights.
        clip: Largest gradient norm; None for no limit.
        noise_emphasis: Exponent of a photo's noise level in its probability of being drawn; 0 ignores noise.
    """

    crop: int = 480
    batch: int = 4
    learning_rate: float = 2e-3
    schedule: Literal["cosine", "fixed"] = "cosine"
    warm_up: float = 0.02
    weight_decay: float = 1e-4
    ema_decay: float = 0.999
    clip: float | None = 1.0
    noise_emphasis: float = 1.0

    def rate_factor(self, share: float) -> float:
        """Learning rate after a share of the run, relative to its highest value."""
        if self.schedule == "fixed":
            return 1.0
        if share < self.warm_up:
            return share / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (share - self.warm_up) / (1 - self.warm_up)))


@dataclass(frozen=True)
class BlindSpotRecipe(BaseRecipe):
    """Recipe for a blind-spot network. The defaults are ours; `PAPER_RECIPE` is the paper's (Sec. 4.1).

    Attributes:
        pd_factor: s, the side of the patches that pairs are drawn from.
        targets: n, targets per patch.
        strategy: How target pixels are chosen.
        pairs: Random pairs used per crop; None for all (paper). One pair costs a 21st of the
            computation and the network learns nearly as much from it, so it can see far more crops.
        simulated: Share of the crops from photos with mild noise that get simulated sensor noise.
    """

    pd_factor: int = 5
    targets: int = 1
    strategy: Strategy = "consecutive"
    pairs: int | None = 1
    simulated: float = 0.6


@dataclass(frozen=True)
class PictureShares:
    """Where the pictures come from that get noise or are shown without any; relative to each other.

    A source without pictures leaves its share to the other photos. Heaps keep theirs, or they would be
    most of what a student sees that has few photos.

    Attributes:
        clean: Photos without noise, and the same at half the size.
        downscaled: Camera photos at a half to a quarter of their size.
        denoised: The teacher's results.
        heaps: Artificial texture without a flat place, such as gravel, straw or lawn. Needs no source.
    """

    clean: float = 0.69
    downscaled: float = 0.085
    denoised: float = 0.085
    heaps: float = 0.14


@dataclass(frozen=True)
class SampleShares:
    """Shares of the kinds of training samples; relative to each other.

    A kind without a source leaves its share to the others of its group, and a group without any to the
    others.

    Attributes:
        own: Noise of the photos that a student is adapted to.
        camera: Noise of a simulated camera.
        sensor: Noise of a simulated sensor after demosaicing.
        flat: Noise of a flat patch of a camera photo.
        measured: Noise as it was measured on a camera photo.
        grain: Film grain.
        gaussian: Gaussian noise, white or blurred.
        drawn: Drawings, with noise of a simulated camera.
        stars: Stars and city lights, likewise.
        dark: Dark pictures in linear light, 16 bits.
        pairs: Real pairs, a noisy photo and the same without noise; this and the next two are one group.
        moved: Noise of a real pair on another picture.
        taught: A noisy photo, with the teacher's result as the target.
        still: Pictures without noise, from which nothing may be removed; a group with the next.
        still_drawn: Drawings without noise.
    """

    own: float = 0.0
    camera: float = 0.45
    sensor: float = 0.02
    flat: float = 0.04
    measured: float = 0.03
    grain: float = 0.03
    gaussian: float = 0.07
    drawn: float = 0.04
    stars: float = 0.04
    dark: float = 0.015
    pairs: float = 0.13
    moved: float = 0.07
    taught: float = 0.12
    still: float = 0.03
    still_drawn: float = 0.035


@dataclass(frozen=True)
class SimulationRecipe(BaseRecipe):
    """Recipe of what learns from simulated samples: a student or a noise estimator.

    Attributes:
        shares: Kinds of samples.
        pictures: Sources of the pictures.
        busy: Share of the crops of photos that are the busiest of five.
        faint: Share of the samples with added noise that get less of it.
        textured: Whether some pictures get texture. Only its level tells it from noise.
        estimated: Share of the samples that are told an estimator's answer, if there is one, and not the
            truth.
    """

    crop: int = 128
    batch: int = 12
    shares: SampleShares = SampleShares()
    pictures: PictureShares = PictureShares()
    busy: float = 0.4
    faint: float = 0.08
    textured: bool = True
    estimated: float = 0.5


@dataclass(frozen=True)
class StudentRecipe(SimulationRecipe):
    """Recipe for a student."""

    learning_rate: float = 1.2e-3
    ema_decay: float = 0.9995
    # Gradient norms are about 5. A single one of 25 times that once cost a run thousands of steps.
    clip: float | None = 8.0


@dataclass(frozen=True)
class EstimatorRecipe(SimulationRecipe):
    """Recipe for a noise estimator.

    Attributes:
        lean: How much more an answer below the truth costs than one above, as in CBDNet's asymmetric loss
            (Guo et al., CVPR 2019, Eq. 6): noise that is underestimated stays in the photo. 0.2 weights
            errors as 0.6 to 0.4.
    """

    crop: int = 256
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    clip: float | None = 0.5
    # What has little noise or none is what it is most easily wrong about.
    shares: SampleShares = SampleShares(
        camera=0.34, sensor=0.06, flat=0.06, grain=0.05, gaussian=0.24, drawn=0.08,
        pairs=0.07, moved=0.06, taught=0.0, still=0.16, still_drawn=0.08,
    )  # fmt: skip
    # Texture is what it mistakes for noise, and most crops of photos show little of it.
    pictures: PictureShares = PictureShares(clean=0.53, downscaled=0.08, denoised=0.09, heaps=0.3)
    busy: float = 0.5
    faint: float = 0.25
    textured: bool = False
    lean: float = 0.2


@dataclass(frozen=True)
class RawRecipe(BaseRecipe):
    """Recipe for a RAW network. The shares of the pictures are relative to each other.

    Attributes:
        photos: Sharp photos without noise.
        heaps, drawings, prints, nights: Artificial pictures of these kinds.
        gradients: Pictures whose colours change slowly.
        busy: Share of the crops of photos that are the busiest of five.
        noise_errors: Errors of the slope and of the floor of the noise that the network is told, as powers
            of e: about those of their estimate.
    """

    crop: int = 128
    batch: int = 8
    learning_rate: float = 1.2e-3
    ema_decay: float = 0.999
    clip: float | None = 8.0
    photos: float = 0.8
    heaps: float = 0.05
    drawings: float = 0.04
    prints: float = 0.04
    nights: float = 0.02
    gradients: float = 0.05
    busy: float = 0.4
    noise_errors: tuple[float, float] = (0.1, 0.2)


@dataclass(frozen=True)
class RawAdaptationRecipe(RawRecipe):
    """Recipe for adapting a RAW network to a photographer's own files.

    Attributes:
        own: Share of the samples that are the files themselves; the others are simulated.
        split: t, by which a file's noise is split: at 1, what the network sees and what its answer is
            compared with have the same noise. Set by `benchmarks/raw_splits.py`: of a batch's gradient, 34 %
            goes the right way at 1 and at 1.5, 30 % at 0.7, 25 % at 0.5; beside the truth it would be 53 %.
    """

    learning_rate: float = 3e-4
    ema_decay: float = 0.995
    own: float = 0.5
    split: float = 1.0


PAPER_RECIPE = BlindSpotRecipe(
    pairs=None,
    crop=160,
    batch=16,
    learning_rate=1e-4,
    schedule="fixed",
    weight_decay=0.0,
    ema_decay=0.0,
    clip=None,
    simulated=0.0,
    noise_emphasis=0.0,
)
# A GPU finishes four crops before the next four are ready (.github/docs/speed.md).
CUDA_BATCH = 64
PAPER_STEPS = 750 * 400
# Trained weights need smaller steps, and learn the noise of these photos instead of simulated noise.
FINE_TUNE_RECIPE = BlindSpotRecipe(learning_rate=5e-4, simulated=0.0)
# The noise measured on these photos matters most.
FINE_TUNE_STUDENT_RECIPE = StudentRecipe(learning_rate=5e-4, shares=SampleShares(camera=0.17, measured=0.28))
# Adapts the bundled student to some photos in minutes: their noise, which the estimator tells, and little
# else.
ADAPTATION_RECIPE = StudentRecipe(
    batch=8,
    learning_rate=3e-4,
    ema_decay=0.995,
    shares=SampleShares(
        own=0.8, camera=0.1, sensor=0.0, flat=0.0, measured=0.0, grain=0.0, gaussian=0.0, drawn=0.02,
        stars=0.01, dark=0.0, pairs=0.0, moved=0.0, taught=0.0, still=0.04, still_drawn=0.03,
    ),
    pictures=PictureShares(clean=0.7, downscaled=0.0, denoised=0.0, heaps=0.3),
    estimated=1.0,
)  # fmt: skip
RECIPES = {"default": BlindSpotRecipe(), "fine-tune": FINE_TUNE_RECIPE, "paper": PAPER_RECIPE}


@dataclass(frozen=True)
class Budget:
    """Length of a run in steps or minutes; if both are given, the first limit reached ends it.

    Attributes:
        steps: Number of training steps.
        minutes: Time for everything.
        elsewhere: Seconds of it that reading, preparing and judging take. At least half of the time is left
            for training.
    """

    steps: int | None = None
    minutes: float | None = None
    elsewhere: float = 0.0

    def progress(self, step: int, seconds: float) -> float:
        """Used share of the budget after this much training; 1 or more once it is complete."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / max(1, self.steps))
        if self.minutes is not None:
            shares.append(seconds / max(1e-9, self._time))
        return max(shares)

    def seconds_left(self, step: int, seconds: float) -> float:
        """About how many seconds of training are left after some steps that took so many."""
        left = [] if self.minutes is None else [self._time - seconds]
        if self.steps is not None:
            left.append((self.steps - step) * seconds / max(1, step))
        return max(0.0, min(left, default=0.0))

    @property
    def _time(self) -> float:
        """Seconds for training."""
        whole = (self.minutes or 0.0) * 60
        return whole - min(self.elsewhere, whole / 2)

    @property
    def pays_compilation(self) -> bool:
        """Whether the run is long enough to save more than the half minute that compiling takes."""
        return (self.steps is None or self.steps > 500) and (self.minutes is None or self.minutes > 2)
