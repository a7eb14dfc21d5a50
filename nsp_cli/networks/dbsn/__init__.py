"""DBSN, the dilated blind-spot network of NSP, and its fused form for CUDA GPUs."""

from nsp_cli.networks.dbsn.authors_files import DBSN_FILES
from nsp_cli.networks.dbsn.network import Dbsn, DbsnConfig
from nsp_cli.networks.kind import NetworkKind

DBSN = NetworkKind(
    DbsnConfig,
    # The bundled nsp-light, and the paper's network.
    presets={"light": DbsnConfig(base_channels=32, num_modules=9), "dbsn": DbsnConfig()},
    authors_files=DBSN_FILES,
)

__all__ = ["DBSN", "Dbsn", "DbsnConfig"]
