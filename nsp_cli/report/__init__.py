"""What a training run leaves for people: a page to look at, and the card of its weights."""

from __future__ import annotations

from nsp_cli.report.training import Crop, TrainingReport, write_card, write_page

__all__ = ["Crop", "TrainingReport", "write_card", "write_page"]
