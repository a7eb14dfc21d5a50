"""Many photos on the machines of a Ray cluster: Ray places and watches the workers, nsp is what they run."""

from __future__ import annotations

from nsp_cli.batch.cluster.connection import connected
from nsp_cli.batch.cluster.farm import Farm
from nsp_cli.batch.cluster.photos import (
    ClusterPipeline,
    PhotoService,
    SpeedService,
    measured_speed,
    request_for,
)
from nsp_cli.batch.cluster.share import Share, choose_share
from nsp_cli.batch.cluster.station import Request, Service

__all__ = [
    "ClusterPipeline",
    "Farm",
    "PhotoService",
    "Request",
    "Service",
    "Share",
    "SpeedService",
    "choose_share",
    "connected",
    "measured_speed",
    "request_for",
]
