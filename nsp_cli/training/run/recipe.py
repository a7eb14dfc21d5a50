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
class StudentRecipe(BaseRecipe):
    """Recipe for a student.

    Attributes:
        real: Share of the samples that are noisy photos, with the teacher's result as target.
        denoised: Share of the samples that are the teacher's results with simulated noise. The remaining
            samples are downscaled photos with simulated noise.
        measured: Share of the samples with simulated noise that get the noise measured on one of the
            photos. The others get the noise of a simulated camera.
        balance: Exponent of a sample's noise level that its loss is divided by. At 0, strong noise would
            dominate the loss.
        structure: Weight of 1 − SSIM beside the mean absolute error.
    """

    crop: int = 128
    batch: int = 12
    learning_rate: float = 1.2e-3
    ema_decay: float = 0.9995
    # Gradient norms are about 0.04. A single gradient of norm 1 once cost a run thousands of steps.
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
# A GPU finishes four crops before the next four are ready (.github/docs/speed.md).
CUDA_BATCH = 64
PAPER_STEPS = 750 * 400
# Trained weights need smaller steps, and learn the noise of these photos instead of simulated noise.
FINE_TUNE_RECIPE = BlindSpotRecipe(learning_rate=5e-4, simulated=0.0)
# The noise measured on these photos matters most.
FINE_TUNE_STUDENT_RECIPE = StudentRecipe(learning_rate=5e-4, measured=0.3)
RECIPES = {"default": BlindSpotRecipe(), "fine-tune": FINE_TUNE_RECIPE, "paper": PAPER_RECIPE}


@dataclass(frozen=True)
class Budget:
    """Length of a run in steps or minutes; if both are given, the first limit reached ends it."""

    steps: int | None = None
    minutes: float | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Used share of the budget; 1 or more once the run is complete."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / max(1, self.steps))
        if self.minutes is not None:
            shares.append(seconds / max(1e-9, self.minutes * 60))
        return max(shares)

    @property
    def pays_compilation(self) -> bool:
        """Whether the run is long enough to save more than the half minute that compiling takes."""
        return (self.steps is None or self.steps > 500) and (self.minutes is None or self.minutes > 2)
