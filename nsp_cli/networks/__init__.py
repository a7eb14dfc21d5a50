"""The registry of networks. A new network needs its own file or folder and one line here."""

from __future__ import annotations

from nsp_cli.networks.base import NetworkConfig, NetworkSpec
from nsp_cli.networks.bayer import BAYER
from nsp_cli.networks.dbsn import DBSN
from nsp_cli.networks.kind import NetworkKind
from nsp_cli.networks.noise_map import NOISE_MAP
from nsp_cli.networks.tbsn import TBSN
from nsp_cli.networks.unet import UNET

# By the names that weights files carry.
NETWORKS: dict[str, NetworkKind] = {
    "dbsn": DBSN,
    "tbsn": TBSN,
    "unet": UNET,
    "bayer": BAYER,
    "noise-map": NOISE_MAP,
}

# What can be trained from random weights, by the names users type: network name and config.
PRESETS: dict[str, tuple[str, NetworkConfig]] = {
    preset: (name, config) for name, kind in NETWORKS.items() for preset, config in kind.presets.items()
}

__all__ = ["NETWORKS", "PRESETS", "NetworkConfig", "NetworkKind", "NetworkSpec"]
