"""TBSN, the transformer blind-spot network of NSP."""

from nsp_cli.networks.kind import NetworkKind
from nsp_cli.networks.tbsn.authors_files import TBSN_FILES
from nsp_cli.networks.tbsn.network import Tbsn, TbsnConfig

TBSN = NetworkKind(TbsnConfig, presets={"tbsn": TbsnConfig()}, authors_files=TBSN_FILES)

__all__ = ["TBSN", "Tbsn", "TbsnConfig"]
