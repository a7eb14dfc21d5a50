"""Trains a blind-spot network on noisy photos alone (paper Sec. 3.3)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import BackendCompilerFailed

from nsp_cli.errors import TrainingError
from nsp_cli.networks import NetworkConfig
from nsp_cli.training.checkpoint import load_checkpoint, save_checkpoint
from nsp_cli.training.data import CropSampler, PhotoPool, generator_for
from nsp_cli.training.pairs import make_pairs
from nsp_cli.training.recipe import Budget, Recipe

CHECKPOINT_EVERY_SECONDS = 120.0


@dataclass(frozen=True)
class TrainingProgress:
    """A moment of a run: `share` of the budget in [0, 1], `loss` a running mean absolute error."""

    step: int
    share: float
    loss: float
    seconds: float


class Trainer:
    """A run: network, optimiser, running mean, and where it stands.

    All randomness of a step comes from the seed and the step's number, so a resumed run draws the
    same crops and pairs as an unbroken one.
    """

    def __init__(
        self,
        pool: PhotoPool,
        *,
        network_name: str,
        config: NetworkConfig,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        initial: dict[str, Tensor] | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.network_name, self.config, self.recipe, self.seed, self.device = (
            network_name, config, recipe, seed, device,
        )  # fmt: skip
        self.network = config.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if initial:
            self.network.load_state_dict(initial)
        self.ema = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.sampler = CropSampler(
            pool,
            crop=recipe.crop,
            batch=recipe.batch,
            multiple=recipe.pd_factor * config.spec().input_multiple,
            simulated=recipe.simulated,
        )
        self.step, self.seconds, self.loss = 0, 0.0, math.nan
        self._is_updating = False
        self._photos = pool.checksum
        self._data = f"{len(pool.photos)} noisy photos, {pool.megapixels:.1f} MP"

    def run(
        self,
        budget: Budget,
        *,
        checkpoint: Path | None = None,
        on_progress: Callable[[TrainingProgress], None] | None = None,
    ) -> None:
        """Trains until the budget is used up.

        Args:
            budget: Counted from the very first step, also when resumed.
            checkpoint: Written every two minutes, at the end and on Ctrl-C.
            on_progress: Called after every step.

        Raises:
            TrainingError: The loss is no longer finite; the last checkpoint is kept.
        """
        forward = _compiled(self.network) if budget.pays_compilation else self.network
        try:
            self._run(forward, budget, checkpoint, on_progress)
        except KeyboardInterrupt:
            # In the middle of an update the weights are of no step; the last checkpoint stays then.
            if checkpoint and not self._is_updating:
                self.save(checkpoint)
            raise
        if checkpoint:
            self.save(checkpoint)

    def _run(
        self,
        forward: Callable[[Tensor], Tensor],
        budget: Budget,
        checkpoint: Path | None,
        on_progress: Callable[[TrainingProgress], None] | None,
    ) -> None:
        saved = time.monotonic()
        while (share := budget.progress(self.step, self.seconds)) < 1:
            begin = time.monotonic()
            self._train_step(forward, share)
            self.seconds += time.monotonic() - begin
            if on_progress:
                share = min(1.0, budget.progress(self.step, self.seconds))
                on_progress(TrainingProgress(self.step, share, self.loss, self.seconds))
            if checkpoint and time.monotonic() - saved > CHECKPOINT_EVERY_SECONDS:
                self.save(checkpoint)
                saved = time.monotonic()

    def _train_step(self, forward: Callable[[Tensor], Tensor], share: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * self.recipe.rate_factor(share)
        loss = self._loss(forward)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self.step}",
                "Resume from the last checkpoint with a lower rate.",
            )
        self._is_updating = True
        self.optimiser.step()
        self.step += 1
        self._update_ema()
        self._is_updating = False
        self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value

    def _loss(self, forward: Callable[[Tensor], Tensor]) -> Tensor:
        recipe, scale = self.recipe, self.config.spec().scale
        crops = self.sampler.draw(self.seed, self.step).to(self.device)
        generator = generator_for(self.seed, self.step, stream=1, device=self.device)
        inputs, targets = make_pairs(
            crops,
            s=recipe.pd_factor,
            t=scale,
            n=recipe.targets,
            strategy=recipe.strategy,
            pairs=recipe.pairs,
            generator=generator,
        )
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type in ("cpu", "cuda")):
            predicted = forward(inputs)
        return (predicted.float() - targets).abs().mean()

    @torch.no_grad()
    def _update_ema(self) -> None:
        # A short memory at first, or the random start would linger.
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            self.ema[name].lerp_(value, 1 - decay)

    def save(self, path: Path) -> None:
        """Writes everything that is needed to go on exactly."""
        save_checkpoint(path, self._identity(), self._state())

    def resume(self, path: Path) -> None:
        """Goes back to where a checkpoint was written.

        Raises:
            TrainingError: There is none, it is damaged, or it belongs to another run.
        """
        state = load_checkpoint(path, self._identity())
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, value in state["ema"].items():
            self.ema[name].copy_(value)
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]

    def _identity(self) -> dict[str, Any]:
        return {
            "network": self.network_name,
            "config": asdict(self.config),  # type: ignore[call-overload]
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "photos": self._photos,
        }

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "ema": self.ema,
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
        }

    def metadata(self) -> dict[str, str]:
        """Returns what a weights file tells of its training."""
        return {
            "pd_factor": str(self.recipe.pd_factor),
            "recipe": json.dumps(asdict(self.recipe)),
            "steps": str(self.step),
            "minutes": f"{self.seconds / 60:.1f}",
            "seed": str(self.seed),
            "data": self._data,
        }

    def averaged_network(self) -> nn.Module:
        """Returns a copy with the running mean of the weights, which is what gets published."""
        network = self.config.build().to(self.device)
        network.load_state_dict(self.ema)
        return network.eval()


def _compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compiles where a compiler is at hand, which doubles the speed here, and goes on without elsewhere."""
    compiled = torch.compile(network, dynamic=False)
    usable = True

    def forward(x: Tensor) -> Tensor:
        nonlocal usable
        if usable:
            try:
                return compiled(x)  # type: ignore[no-any-return]
            except BackendCompilerFailed:
                usable = False
        return network(x)  # type: ignore[no-any-return]

    return forward
