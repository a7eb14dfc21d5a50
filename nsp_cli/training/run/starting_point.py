"""Starting points of a training run: trained weights or random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nsp_cli.errors import TrainingError
from nsp_cli.networks import NETWORKS, PRESETS, NetworkConfig
from nsp_cli.weights.file import load_network


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """A network and its initial weights.

    Attributes:
        network_name: Name of the network in weights files.
        config: Configuration of the network.
        weights: Initial weights; None for random ones.
        origin: Description of the weights for the user.
    """

    network_name: str
    config: NetworkConfig
    weights: dict[str, Tensor] | None
    origin: str


def start_from_file(path: Path, name: str) -> StartingPoint:
    """Starting point with the weights of a file.

    Raises:
        WeightsError: As for `load_network`.
    """
    network, info = load_network(path)
    return StartingPoint(info.network, info.config, network.state_dict(), name)


def start_enlarging(start: StartingPoint) -> StartingPoint:
    """Starting point with a network that enlarges twofold, made from one that does not enlarge.

    Raises:
        TrainingError: This kind of network cannot be converted.
    """
    enlarge = NETWORKS[start.network_name].enlarge
    if enlarge is None:
        raise TrainingError(
            f"The network {start.network_name} cannot be turned into one that enlarges.",
            "Start from weights that enlarge, or use --from nothing.",
        )
    config, weights = enlarge(start.config, start.weights or {})
    return StartingPoint(start.network_name, config, weights, f"{start.origin}, enlarging")


def start_from_random(network: str, *, t: int | None = None) -> StartingPoint:
    """Starting point with random weights.

    Args:
        network: A key of `PRESETS`.
        t: Scaling factor of a blind-spot network; None for the one in `PRESETS`.
    """
    name, config = PRESETS[network]
    if t is not None:
        config = config.with_scale(t)
    return StartingPoint(name, config, None, f"random weights ({network})")
