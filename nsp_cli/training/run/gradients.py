"""Computes the gradients of a batch, in chunks that fit the memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from nsp_cli.device import choose_training_precision, release_memory
from nsp_cli.training.run.compilation import compiled
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.memory import choose_chunk
from nsp_cli.training.run.task import TrainingBatch


class GradientComputation:
    """Forward and backward passes of a network.

    Attributes:
        chunk: Number of samples that are processed at a time; None before the first batch.
    """

    def __init__(self, network: nn.Module, processes: ProcessGroup, device: torch.device) -> None:
        """Chooses the precision and wraps the network.

        Args:
            network: Network on `device`; its parameters receive the gradients.
            processes: Processes over which the gradients are averaged.
            device: Device of the computation.
        """
        self._network, self._processes, self._device = network, processes, device
        self._wrapped = processes.wrap(network)
        self._forward: Callable[..., Tensor] = self._wrapped
        self._precision = choose_training_precision(device)
        self.chunk: int | None = None

    def compile(self) -> None:
        """Compiles the network, which saves time after some hundred steps."""
        self._forward = compiled(self._wrapped)

    def compute(self, batch: TrainingBatch) -> Tensor:
        """Replaces the gradients of the network by those of a batch, and returns its loss.

        Raises:
            torch.OutOfMemoryError: Even a chunk of one sample does not fit, or other processes already wait
                for this one's gradients, so that the step cannot be repeated.
        """
        if self.chunk is None:
            self.chunk = choose_chunk(self._network, batch.inputs, self._device, self._precision)
        while True:
            try:
                return self._accumulate(batch, self.chunk)
            except torch.OutOfMemoryError:
                if self.chunk == 1 or self._processes.size > 1:
                    raise
                self.chunk = (self.chunk + 1) // 2
                release_memory(self._device)

    def _accumulate(self, batch: TrainingBatch, chunk: int) -> Tensor:
        self._network.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        parts = batch.split(chunk)
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            # Processes exchange their gradients once, after the last part.
            no_exchange = nullcontext if is_last else getattr(self._wrapped, "no_sync", nullcontext)
            with no_exchange():
                is_mixed = self._precision != torch.float32
                with torch.autocast(self._device.type, self._precision, enabled=is_mixed):
                    predicted = self._forward(*part.inputs)
                loss = part.loss(predicted) * (len(part) / len(batch))
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total
