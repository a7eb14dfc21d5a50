"""What nsp knows about a kind of network besides the network itself: one line of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from nsp_cli.networks.base import NetworkConfig

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class AuthorsFiles:
    """How to read the .pth files that the authors of a network publish.

    Attributes:
        key: Name of a tensor that only this network's files hold.
        read_config: Config that the tensors' names and shapes imply. A file may hold anything, so it
            may raise KeyError, ValueError, ArithmeticError or IndexError.
        expected_mask: Mask that belongs under a name ending in "mask"; None if no mask belongs there.
    """

    key: str
    read_config: Callable[[State], NetworkConfig]
    expected_mask: Callable[[str, State], Tensor | None]


@dataclass(frozen=True)
class NetworkKind:
    """One kind of network, as the registry lists it.

    Attributes:
        config: Type of its configs.
        presets: Configs that can be trained from random weights, by the names users type. The names
            are unique over all kinds.
        authors_files: How to read the authors' .pth files; None if there are none.
        enlarge: Turns a network that keeps the size into one that doubles it: config and weights in,
            config and weights out. None if no such step is known.
    """

    config: type[NetworkConfig]
    presets: Mapping[str, NetworkConfig] = field(default_factory=dict)
    authors_files: AuthorsFiles | None = None
    enlarge: Callable[[NetworkConfig, State], tuple[NetworkConfig, dict[str, Tensor]]] | None = None
