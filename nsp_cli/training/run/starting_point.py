"""Where a training run starts: at weights that have learnt already, or at random ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch import Tensor

from nsp_cli.networks import NetworkConfig
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.weights.file import load_network

# What can be trained from nothing: the students' network, as nsp-fast and nsp-fast-x2 have it, and best, a
# larger one that has not been found better yet; light is the bundled nsp-light's, the others are the paper's.
TRAINABLE_NETWORKS: dict[str, tuple[str, NetworkConfig]] = {
    "fast": ("unet", UnetConfig()),
    "fast-x2": ("unet", UnetConfig(scale=2)),
    "best": ("unet", UnetConfig(widths=(96, 128, 160), encoder=(4, 4, 4), decoder=(4, 4))),
    "light": ("dbsn", DbsnConfig(base_channels=32, num_modules=9)),
    "dbsn": ("dbsn", DbsnConfig()),
    "tbsn": ("tbsn", TbsnConfig()),
}


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """A network and its first weights.

    Attributes:
        network_name: As weights files call it.
        config: Of the network.
        weights: None for random ones.
        origin: For people.
    """

    network_name: str
    config: NetworkConfig
    weights: dict[str, Tensor] | None
    origin: str


def start_from_file(path: Path, name: str) -> StartingPoint:
    """Starts at a weights file.

    Raises:
        WeightsError: As for `load_network`.
    """
    network, info = load_network(path)
    return StartingPoint(info.network, info.config, network.state_dict(), name)


def start_enlarging(start: StartingPoint) -> StartingPoint:
    """Makes a student that enlarges twofold of one that does not.

    Its last layer begins by giving each pixel's answer to all four that it becomes.
    """
    config = replace(cast(UnetConfig, start.config), scale=2)
    weights = {name: value.clone() for name, value in (start.weights or {}).items()}
    for name in ("tail.weight", "tail.bias"):
        # Colour, row and column of a pixel in its cell.
        answers = weights[name].reshape(3, 2, 2, *weights[name].shape[1:])
        weights[name] = answers.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(0, 2)
    return StartingPoint(start.network_name, config, weights, f"{start.origin}, enlarging")


def start_from_random(network: str, *, t: int | None = None) -> StartingPoint:
    """Starts one of the networks of `ANEW` at random weights.

    Args:
        network: A key of `ANEW`.
        t: Scaling factor of a blind-spot network; None for that of `ANEW`.
    """
    name, config = TRAINABLE_NETWORKS[network]
    if t is not None:
        config = replace(cast(DbsnConfig | TbsnConfig, config), t=t)
    return StartingPoint(name, config, None, f"random weights ({network})")
