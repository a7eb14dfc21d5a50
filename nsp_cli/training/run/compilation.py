"""Compiles a network if the machine can."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._dynamo.exc import BackendCompilerFailed


def compiled(network: nn.Module) -> Callable[..., Tensor]:
    """Returns the network, compiled for each input shape, or unchanged after compiling has failed.

    Compiling fails without a C++ compiler. Training then continues more slowly.
    """
    fast = torch.compile(network, dynamic=False)
    usable = True

    def forward(*inputs: Tensor) -> Tensor:
        nonlocal usable
        if usable:
            try:
                return fast(*inputs)  # type: ignore[no-any-return]
            except BackendCompilerFailed:
                usable = False
        return network(*inputs)  # type: ignore[no-any-return]

    return forward
