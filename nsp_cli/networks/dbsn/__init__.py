"""DBSN, the dilated blind-spot network of NSP, and its fused form for CUDA GPUs."""

from nsp_cli.networks.dbsn.network import Dbsn, DbsnConfig

__all__ = ["Dbsn", "DbsnConfig"]
