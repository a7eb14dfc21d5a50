"""Options that say which photos a run is about and how it tells of them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Prefer(str, Enum):
    """Which of a RAW file and the JPEG beside it."""

    RAW = "raw"
    JPEG = "jpeg"
    BOTH = "both"


Photos = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PHOTO", help="Photos, folders or patterns such as '*.jpg'.", show_default=False),
]
FilesFrom = Annotated[
    Path | None,
    typer.Option(
        "--files-from", metavar="FILE", help="Read names from a file, one a line; - reads standard input."
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Look into folders below; results keep the folders.")
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATTERN", help="Only such names, as '2024*.nef' or 'day2/*'."),
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Leave such names out.")
]
PreferOf = Annotated[
    Prefer, typer.Option("--prefer", case_sensitive=False, help="Of a RAW file and its JPEG, which to take.")
]
KeepTimes = Annotated[bool, typer.Option("--keep-times", help="Give results the times of their photos.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first photo that fails.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON object per photo, one a line.")]
Log = Annotated[
    Path | None,
    typer.Option("--log", metavar="FILE", help="Add a line per photo to a file, and errors in full."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="PAGE.html", help="Write a page that shows all photos before and after; replaced."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be written and how long it would take.")
]
