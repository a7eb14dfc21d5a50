"""Items on the machines of a Ray cluster: Ray places and watches the workers. Nothing here works on photos.

Workers import this package before all else, so it imports no torch.
"""

from __future__ import annotations

from nsp_cli.cluster.connection import check_installed, connected
from nsp_cli.cluster.farm import Farm
from nsp_cli.cluster.share import Share, choose_share
from nsp_cli.cluster.station import Request, Service

__all__ = ["Farm", "Request", "Service", "Share", "check_installed", "choose_share", "connected"]
