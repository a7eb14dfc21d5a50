"""Where and how networks run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nsp_cli.device import choose_device, choose_precision


@dataclass(frozen=True)
class Execution:
    """Where and how a network runs.

    Attributes:
        device: Device for the tiles; the photo stays in main memory.
        precision: Precision of the network's arithmetic. A tile whose result is not finite is repeated
            in float32.
        core: Side of a tile's core in photo pixels; None chooses it from free memory.
    """

    device: torch.device
    precision: torch.dtype
    core: int | None = None

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto", core: int | None = None) -> Execution:
        """Chooses device and precision by name; "auto" chooses what suits the machine.

        Raises:
            DeviceError: A name is unknown, or the device is absent.
        """
        chosen = choose_device(device)
        return cls(chosen, choose_precision(precision, chosen), core)
