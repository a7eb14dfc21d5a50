"""How and how long to train; the defaults are ours, the paper's stand in brackets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nsp_cli.training.pairs import Strategy


@dataclass(frozen=True)
class Recipe:
    """How to train; the paper's settings stand in brackets (Sec. 4.1).

    Attributes:
        pd_factor: s, the side of the patches that pairs are drawn from.
        targets: n, targets per patch.
        strategy: How target pixels are chosen.
        pairs: Random pairs used per crop; None for all (paper). One pair costs a 21st of the
            arithmetic and teaches nearly as much, so far more crops are seen.
        crop: Side of a crop in photo pixels (160).
        batch: Crops per step (16).
        learning_rate: Peak of a cosine schedule with warm-up (1e-4, fixed).
        warm_up: Share of the run in which the rate rises.
        weight_decay: AdamW's (0, plain Adam).
        ema_decay: Of the running mean of the weights that is published (none).
        clip: Largest gradient norm (none).
        simulated: Share of the mild photos' crops that get simulated sensor noise (none).
    """

    pd_factor: int = 5
    targets: int = 1
    strategy: Strategy = "consecutive"
    pairs: int | None = 1
    crop: int = 480
    batch: int = 4
    learning_rate: float = 2e-3
    warm_up: float = 0.02
    weight_decay: float = 1e-4
    ema_decay: float = 0.999
    clip: float = 1.0
    simulated: float = 0.6

    def rate_factor(self, share: float) -> float:
        """Returns the learning rate at a share of the run, relative to its peak: warm-up, then cosine."""
        if share < self.warm_up:
            return share / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (share - self.warm_up) / (1 - self.warm_up)))


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
