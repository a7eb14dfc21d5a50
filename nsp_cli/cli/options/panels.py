"""How options look on help pages: panels and flags."""

from __future__ import annotations

from typing import Any

import typer

# Options without a panel come first on a help page, under "Options": those that most people need.
PHOTOS = "Photos"
NOISE = "Noise"
RESULT = "Result"
CAMERA_RAW = "Camera RAW"
RUN = "Run"
MACHINE = "Machine"
NETWORK = "Network"
METHOD = "Method"


def flag(*names: str, help: str, panel: str | None = None) -> Any:
    """Option that is either given or not; its help page shows no type for it."""
    return typer.Option(*names, help=help, metavar="", rich_help_panel=panel)
