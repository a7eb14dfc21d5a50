"""The processes of a training run: one, or all that `torchrun` started on one or more machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from weakref import WeakSet

import torch
from torch import distributed, nn

_wrapped: WeakSet[nn.Module] = WeakSet()


@dataclass(frozen=True)
class ProcessGroup:
    """All processes of a run, as this process sees them.

    Attributes:
        rank: Number of this process among all, from 0.
        size: Number of processes.
        local_rank: Number of this process on its machine, from 0.
        machine: Number of this process's machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    machine: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and shows progress."""
        return self.rank == 0

    @property
    def is_first_on_machine(self) -> bool:
        """Whether this process manages the photo cache of its machine."""
        return self.local_rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Device of this process: each process of a machine gets its own GPU."""
        if self.size > 1 and device.type == "cuda":
            return torch.device("cuda", self.local_rank)
        return device

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, with gradients averaged over all processes if there are several."""
        if self.size == 1:
            return network
        wrapped = nn.parallel.DistributedDataParallel(network)
        _wrapped.add(wrapped)
        return wrapped

    def largest(self, *values: float) -> tuple[float, ...]:
        """Largest of all processes' values, separately for each argument."""
        if self.size == 1:
            return values
        numbers = torch.tensor(values, dtype=torch.float64, device=self._message_device())
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
        return tuple(numbers.tolist())

    def mean(self, numbers: torch.Tensor) -> torch.Tensor:
        """Mean over all processes, element by element; changes `numbers` in place."""
        if self.size > 1:
            distributed.all_reduce(numbers)
            numbers /= self.size
        return numbers

    def broadcast(self, value: Any) -> Any:
        """The main process's value, in every process."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, device=self._message_device())
        return box[0]

    @contextmanager
    def first_on_machine(self) -> Iterator[None]:
        """Lets one process of each machine go first, so that the others find its files on disk."""
        if not self.is_first_on_machine and self.size > 1:
            distributed.barrier()
        yield
        if self.is_first_on_machine and self.size > 1:
            distributed.barrier()

    def meet(self) -> None:
        """Waits until all processes have come here."""
        if self.size > 1:
            distributed.barrier()

    def _message_device(self) -> torch.device:
        if distributed.get_backend() == "nccl":
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")


@contextmanager
def joined_process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Joins the processes that `torchrun` started, which it knows from environment variables.

    Without `torchrun` it yields a group of one process.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ProcessGroup()
        return
    local_rank, machine = (int(os.environ.get(name, "0")) for name in ("LOCAL_RANK", "GROUP_RANK"))
    processes = ProcessGroup(int(os.environ["RANK"]), size, local_rank, machine)
    if device.type == "cuda":
        torch.cuda.set_device(processes.local_rank)
    # The others wait while one process decodes a large folder or runs the teacher on every photo.
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(days=2))
    try:
        yield processes
    finally:
        _release_wrapped()
        distributed.destroy_process_group()


def _release_wrapped() -> None:
    """Drops the references to the process group that wrapped networks hold; they are unusable afterwards.

    The owner of the last reference ends the group's threads. When this was a wrapped network, one in a dozen
    runs hung: it seems to wait for the threads while it holds Python's lock, which a thread may need to end.
    """
    for wrapped in _wrapped:
        wrapped.logger = wrapped.reducer = None  # type: ignore[assignment]
    _wrapped.clear()
