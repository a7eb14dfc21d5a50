"""The networks nsp knows, by the name that weights files carry."""

from __future__ import annotations

from nsp_cli.networks.base import NetworkConfig, NetworkSpec
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.networks.unet import UnetConfig

NETWORKS: dict[str, type[NetworkConfig]] = {"dbsn": DbsnConfig, "tbsn": TbsnConfig, "unet": UnetConfig}

__all__ = ["NETWORKS", "NetworkConfig", "NetworkSpec"]
