"""A training run: network, optimiser, running mean of the weights, and the training step (Sec. 3.3)."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nsp_cli.errors import DeviceError, TrainingError
from nsp_cli.networks import NetworkConfig
from nsp_cli.ops.progress import counted
from nsp_cli.training.run.checkpoint import checksum_of, load_checkpoint, save_checkpoint
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.gradients import GradientComputation
from nsp_cli.training.run.loss_curve import LossCurve
from nsp_cli.training.run.task import Task, TrainingBatch

# Steps between readings of the loss. Reading makes the processor wait for a GPU; on the CPU it is free.
_CHECK_EVERY = {"cpu": 1}
_CHECK_ELSEWHERE = 20
# Steps between copies of the last good state; a copy at every step would take a tenth of the time.
_KEEP_EVERY = 50


class Trainer:
    """A training run and its current state.

    Attributes:
        step: Number of steps done.
        seconds: Duration of these steps.
        waited: Seconds in which this process waited for data.
        curve: Loss so far.
    """

    def __init__(
        self,
        task: Task,
        *,
        network_name: str,
        config: NetworkConfig,
        seed: int,
        device: torch.device,
        initial: dict[str, Tensor] | None = None,
        processes: ProcessGroup | None = None,
    ) -> None:
        """Builds the network and its optimiser.

        Args:
            task: Source of the batches and the recipe.
            network_name: Name of the network in weights files.
            config: Configuration of the network.
            seed: Seed of all random numbers.
            device: Device to train on.
            initial: Initial weights; None for random ones.
            processes: Processes that share the batches; None for this one alone.
        """
        torch.manual_seed(seed)
        self.task, self.recipe = task, task.recipe
        self.network_name, self.config, self.seed = network_name, config, seed
        self.processes, self.device = processes or ProcessGroup(), device
        self.network = config.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if initial:
            self.network.load_state_dict(initial)
        self.ema = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimiser = self._make_optimiser()
        self.step, self.seconds, self.waited, self.curve = 0, 0.0, 0.0, LossCurve()
        self._gradients = GradientComputation(self.network, self.processes, device)
        self._check_every = _CHECK_EVERY.get(device.type, _CHECK_ELSEWHERE)
        self._unchecked, self._steps_unchecked = torch.zeros(2, device=device), 0
        self._last_good = copy.deepcopy(self._state())
        self._start = checksum_of(initial)

    def _make_optimiser(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            self.network.parameters(),
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            # One kernel instead of hundreds, whose launches take longer than a step of a small network.
            fused=self.device.type == "cuda",
        )

    @property
    def waited_share(self) -> float:
        """Share of the time in which the device waited for data."""
        return self.waited / self.seconds if self.seconds else 0.0

    @property
    def is_loss_read(self) -> bool:
        """Whether the losses of all steps have been read."""
        return not self._steps_unchecked

    def compile(self) -> None:
        """Compiles the network, which saves time after some hundred steps."""
        self._gradients.compile()

    def draw(self, step: int) -> Any:
        """Data of a step, in pinned memory if the device is a GPU; may be called from other threads."""
        drawn = self.task.draw(self.seed, step)
        return drawn.pin_memory() if self.device.type == "cuda" else drawn

    def train_step(self, drawn: Any, share: float) -> None:
        """Does one step.

        Args:
            drawn: Data of the step, from `draw`.
            share: Share of the run that is done; sets the learning rate.

        Raises:
            TrainingError: The loss or gradient is no longer finite. The last good state is restored.
            DeviceError: The device runs out of memory even for a single crop.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * self.recipe.rate_factor(share)
        loss = self._compute_gradients(self._make_batch(drawn))
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip or math.inf)
        self.optimiser.step()
        self.step += 1
        self._update_ema()
        self._unchecked += torch.stack([loss, norm])
        self._steps_unchecked += 1
        if self._steps_unchecked == self._check_every:
            self.check()

    def _make_batch(self, drawn: Any) -> TrainingBatch:
        try:
            return self.task.make_batch(drawn, seed=self.seed, step=self.step, device=self.device)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(self.recipe.batch) from error

    def _compute_gradients(self, batch: TrainingBatch) -> Tensor:
        try:
            return self._gradients.compute(batch)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(self._gradients.chunk or len(batch)) from error

    def _out_of_memory(self, crops: int) -> DeviceError:
        return DeviceError(
            f"The device ran out of memory with {counted(crops, 'crop')} of {self.recipe.crop} pixels.",
            "Use a smaller --crop or --batch.",
        )

    @torch.no_grad()
    def _update_ema(self) -> None:
        # A smaller decay at first, so that the random initial weights fade quickly.
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        values = self.network.state_dict()
        # A few kernels for all weights. An exponential mean ignores the third argument.
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average([self.ema[name] for name in values], list(values.values()), self.step)

    def check(self) -> None:
        """Reads the loss of the steps since the last reading, and keeps a copy of the state if it is good.

        Raises:
            TrainingError: As for `train_step`.
        """
        if not self._steps_unchecked:
            return
        steps, self._steps_unchecked = self._steps_unchecked, 0
        loss, norm = (self.processes.mean(self._unchecked) / steps).tolist()
        self._unchecked.zero_()
        if not math.isfinite(loss + norm):
            failed = self.step
            self._restore(self._last_good)
            raise TrainingError(
                f"The loss was no longer finite at step {failed}; the run is back at step {self.step}.",
                "Continue with --resume and a lower --learning-rate.",
            )
        self.curve.add(loss, steps)
        if self.step - self._last_good["step"] >= _KEEP_EVERY:
            self._last_good = copy.deepcopy(self._state())

    def save(self, path: Path) -> None:
        """Writes a checkpoint from which the run can continue exactly. Only the main process writes it.

        Raises:
            TrainingError: As for `train_step`; nothing is written.
        """
        self.check()
        if self.processes.is_main:
            save_checkpoint(path, self._identity(), self._state())

    def resume(self, path: Path) -> None:
        """Restores the state of a checkpoint.

        Raises:
            TrainingError: The checkpoint is missing or damaged, or belongs to another run.
        """
        state = load_checkpoint(path, self._identity()) if self.processes.is_main else None
        self._restore(self.processes.broadcast(state))

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        for name, value in state["ema"].items():
            self.ema[name].copy_(value)
        self.step, self.seconds = state["step"], state["seconds"]
        self.waited = state.get("waited", 0.0)  # missing in older checkpoints
        self.curve = LossCurve(**state["curve"])
        self._last_good = copy.deepcopy(self._state())

    def _identity(self) -> dict[str, Any]:
        """Settings that a resumed run must share; rate and clipping may change to get past a divergence."""
        recipe = asdict(self.recipe)
        del recipe["learning_rate"], recipe["clip"]
        return {
            "network": self.network_name,
            "config": asdict(self.config),  # type: ignore[call-overload]
            "recipe": recipe,
            "seed": self.seed,
            "photos": self.task.checksum,
            "weights to start from": self._start,
            "processes": self.processes.size,
        }

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "ema": self.ema,
            "step": self.step,
            "seconds": self.seconds,
            "waited": self.waited,
            "curve": asdict(self.curve),
        }

    def metadata(self) -> dict[str, str]:
        """Metadata for the weights file."""
        pairs = {"pd_factor": str(self.task.pd_factor)} if self.task.pd_factor else {}
        return pairs | {
            "recipe": json.dumps(asdict(self.recipe)),
            "steps": str(self.step),
            "minutes": f"{self.seconds / 60:.1f}",
            "seed": str(self.seed),
            "processes": str(self.processes.size),
            "data": self.task.data,
        }

    def averaged_network(self) -> nn.Module:
        """Copy of the network with the running mean of the weights, which is published."""
        network = self.config.build().to(self.device)
        network.load_state_dict(self.ema)
        return network.eval()
