"""Runs over many photos: finding them, naming their results, skipping finished ones, and the three stages."""

from __future__ import annotations

from nsp_cli.batch.addresses import Address, located
from nsp_cli.batch.discover import Found, Selection, find_photos, find_unsupported, read_list, walk_photos
from nsp_cli.batch.forecast import Forecast, foresee, seconds_per_megapixel
from nsp_cli.batch.naming import Job, plan_jobs
from nsp_cli.batch.outcome import Outcome, Status
from nsp_cli.batch.pipeline import Pipeline
from nsp_cli.batch.restored import Restore, Restored
from nsp_cli.batch.run_settings import RunSettings, WeightsFile
from nsp_cli.batch.streaming import StreamingPipeline, brought, is_remote
from nsp_cli.batch.watch import arriving_jobs
from nsp_cli.batch.worker import Demosaic, Demosaiced, Worker

__all__ = [
    "Address",
    "Demosaic",
    "Demosaiced",
    "Forecast",
    "Found",
    "Job",
    "Outcome",
    "Pipeline",
    "Restore",
    "Restored",
    "RunSettings",
    "Selection",
    "Status",
    "StreamingPipeline",
    "WeightsFile",
    "Worker",
    "arriving_jobs",
    "brought",
    "find_photos",
    "find_unsupported",
    "foresee",
    "is_remote",
    "located",
    "plan_jobs",
    "read_list",
    "seconds_per_megapixel",
    "walk_photos",
]
