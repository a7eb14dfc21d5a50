"""Compiles a network where the machine can."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._dynamo.exc import BackendCompilerFailed


def compiled(network: nn.Module) -> Callable[..., Tensor]:
    """Returns the network compiled for the shapes it meets; as it is, once compiling has failed.

    It fails where there is no C++ compiler, which is no reason not to train.
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
