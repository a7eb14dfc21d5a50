"""The processes of a run: one, or as many as `torchrun` started, on one machine or several."""

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
    """A process's place among those of its run.

    Attributes:
        rank: Among all, from 0.
        size: How many there are.
        local_rank: Among those of its machine.
        machine: Its machine's place among all.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    machine: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    @property
    def is_first_on_machine(self) -> bool:
        """Whether this process looks after what its machine keeps on disk."""
        return self.local_rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Gives each process of a machine a GPU of its own."""
        if self.size > 1 and device.type == "cuda":
            return torch.device("cuda", self.local_rank)
        return device

    def wrap(self, network: nn.Module) -> nn.Module:
        """Makes the gradients of all processes one mean, where there are several."""
        if self.size == 1:
            return network
        wrapped = nn.parallel.DistributedDataParallel(network)
        _wrapped.add(wrapped)
        return wrapped

    def largest(self, *values: float) -> tuple[float, ...]:
        """Returns the largest of all processes' values, one by one."""
        if self.size == 1:
            return values
        numbers = torch.tensor(values, dtype=torch.float64, device=self._message_device())
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
        return tuple(numbers.tolist())

    def mean(self, numbers: torch.Tensor) -> torch.Tensor:
        """Returns the mean of all processes' numbers, element by element."""
        if self.size > 1:
            distributed.all_reduce(numbers)
            numbers /= self.size
        return numbers

    def broadcast(self, value: Any) -> Any:
        """Returns the main process's value to all."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, device=self._message_device())
        return box[0]

    @contextmanager
    def first_on_machine(self) -> Iterator[None]:
        """Lets one process of each machine go first, so that what it leaves on disk is found."""
        if not self.is_first_on_machine and self.size > 1:
            distributed.barrier()
        yield
        if self.is_first_on_machine and self.size > 1:
            distributed.barrier()

    def _message_device(self) -> torch.device:
        if distributed.get_backend() == "nccl":
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")


@contextmanager
def joined_process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Joins the run that `torchrun` started, if it did; reads nothing but its environment."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ProcessGroup()
        return
    local_rank, machine = (int(os.environ.get(name, "0")) for name in ("LOCAL_RANK", "GROUP_RANK"))
    processes = ProcessGroup(int(os.environ["RANK"]), size, local_rank, machine)
    if device.type == "cuda":
        torch.cuda.set_device(processes.local_rank)
    # Others wait while one of a machine decodes a large folder, or asks a teacher about every photo.
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(days=2))
    try:
        yield processes
    finally:
        _release_wrapped()
        distributed.destroy_process_group()


def _release_wrapped() -> None:
    """Takes the processes' group from what was wrapped, which cannot be used any more.

    Whatever lets go of it last ends its threads. Where that was a wrapped network, one in a dozen runs hung:
    it seems to wait for the threads and to hold Python's lock, which a thread may need to end.
    """
    for wrapped in _wrapped:
        wrapped.logger = wrapped.reducer = None  # type: ignore[assignment]
    _wrapped.clear()
