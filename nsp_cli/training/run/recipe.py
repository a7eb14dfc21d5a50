"""How and how long to train: the paper's recipe, and ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nsp_cli.training.data.pairs import Strategy


@dataclass(frozen=True)
class BaseRecipe:
    """How a network's weights are moved; what every recipe has.

    Attributes:
        crop: Side of a crop in photo pixels.
        batch: Crops per step and process.
        learning_rate: Peak of the schedule.
        schedule: "cosine", after a warm-up, or "fixed".
        warm_up: Share of the run in which a cosine schedule rises.
        weight_decay: AdamW's; 0 makes it plain Adam.
        ema_decay: Of the running mean of the weights that is published; 0 publishes the last ones.
        clip: Largest gradient norm; None for any.
        noise_emphasis: Power of a photo's noise level that its share of the crops grows with;
            0 draws them uniformly over all pixels.
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
        """Returns the learning rate at a share of the run, relative to its peak."""
        if self.schedule == "fixed":
            return 1.0
        if share < self.warm_up:
            return share / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (share - self.warm_up) / (1 - self.warm_up)))


@dataclass(frozen=True)
class BlindSpotRecipe(BaseRecipe):
    """How to train a blind-spot network. The defaults are ours; `PAPER` holds the paper's (Sec. 4.1).

    Attributes:
        pd_factor: s, the side of the patches that pairs are drawn from.
        targets: n, targets per patch.
        strategy: How target pixels are chosen.
        pairs: Random pairs used per crop; None for all (paper). One pair costs a 21st of the
            arithmetic and teaches nearly as much, so far more crops are seen.
        simulated: Share of the mild photos' crops that get simulated sensor noise.
    """

    pd_factor: int = 5
    targets: int = 1
    strategy: Strategy = "consecutive"
    pairs: int | None = 1
    simulated: float = 0.6


@dataclass(frozen=True)
class StudentRecipe(BaseRecipe):
    """How to train a student.

    Attributes:
        real: Share of lessons that are the photos themselves, with the teacher's answer as target.
        taught: Share that are the teacher's answers with simulated noise; the rest are mild photos
            made smaller, with simulated noise.
        measured: Share of the lessons without real noise that get noise as it was measured on one of the
            photos; the others get a simulated camera's.
        balance: Power of a lesson's noise level that its loss is divided by; without it, strong noise
            would be all that counts.
        structure: What a lesson's 1 − SSIM counts beside its mean absolute error.
    """

    crop: int = 128
    batch: int = 12
    learning_rate: float = 1.2e-3
    ema_decay: float = 0.9995
    # Gradients are about 0.04 long; one of 1 threw a run back by thousands of steps.
    clip: float | None = 0.1
    real: float = 0.2
    denoised: float = 0.3
    measured: float = 0.0
    balance: float = 0.15
    structure: float = 0.1


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
# A GPU has done with four crops before the next four are made (docs/speed.md).
CUDA_BATCH = 64
PAPER_STEPS = 750 * 400
# Weights that have learnt already move gently, and learn this camera's noise, not a simulated one's.
FINE_TUNE_RECIPE = BlindSpotRecipe(learning_rate=5e-4, simulated=0.0)
# The photos' own noise is what counts now.
FINE_TUNE_STUDENT_RECIPE = StudentRecipe(learning_rate=5e-4, measured=0.3)
RECIPES = {"default": BlindSpotRecipe(), "fine-tune": FINE_TUNE_RECIPE, "paper": PAPER_RECIPE}


@dataclass(frozen=True)
class Budget:
    """How long to train: up to so many steps, minutes, or whichever ends first."""

    steps: int | None = None
    minutes: float | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Returns the share of the budget that is used up, 1 or more when it is."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / max(1, self.steps))
        if self.minutes is not None:
            shares.append(seconds / max(1e-9, self.minutes * 60))
        return max(shares)

    @property
    def pays_compilation(self) -> bool:
        """Whether the run is long enough to earn back half a minute of compiling."""
        return (self.steps is None or self.steps > 500) and (self.minutes is None or self.minutes > 2)
