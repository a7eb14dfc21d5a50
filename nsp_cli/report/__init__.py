"""Pages and previews that show photos before and after."""

from __future__ import annotations

from nsp_cli.report.batch_page import write_run
from nsp_cli.report.comparison import MOST_MEGABYTES, NotShown, PageSummary, PhotoComparison, write_comparison
from nsp_cli.report.preview import Preview, make_preview
from nsp_cli.report.raw_preview import make_raw_preview, raw_strength_versions
from nsp_cli.report.versions import Version, read_versions, strength_versions

__all__ = [
    "MOST_MEGABYTES",
    "NotShown",
    "PageSummary",
    "PhotoComparison",
    "Preview",
    "Version",
    "make_preview",
    "make_raw_preview",
    "raw_strength_versions",
    "read_versions",
    "strength_versions",
    "write_comparison",
    "write_run",
]
