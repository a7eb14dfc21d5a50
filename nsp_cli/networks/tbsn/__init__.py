"""TBSN, the transformer blind-spot network of NSP."""

from nsp_cli.networks.tbsn.network import Tbsn, TbsnConfig

__all__ = ["Tbsn", "TbsnConfig"]
