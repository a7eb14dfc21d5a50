"""The options of nsp train."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class RecipeName(str, Enum):
    """How to train."""

    AUTO = "auto"
    DEFAULT = "default"
    FINE_TUNE = "fine-tune"
    PAPER = "paper"


class NetworkName(str, Enum):
    """Networks that can be trained from nothing."""

    LIGHT = "light"
    DBSN = "dbsn"
    TBSN = "tbsn"


class StrategyName(str, Enum):
    """How target pixels are chosen (paper Fig. 3)."""

    RANDOM = "random"
    SORTED = "sorted"
    INTERSECTED = "intersected"
    CONSECUTIVE = "consecutive"


class GroupBy(str, Enum):
    """What photos can be grouped by."""

    CAMERA = "camera"
    ISO = "iso"
    CAMERA_ISO = "camera-iso"


def _check_pd_factor(factor: str) -> str:
    if factor != "auto" and factor not in {"3", "4", "5", "6", "7", "8"}:
        raise typer.BadParameter(f"{factor} is not auto or 3 to 8")
    return factor


def _check_scaling_factor(factor: int | None) -> int | None:
    if factor not in (None, 1, 2, 4):
        raise typer.BadParameter(f"{factor} is not 1, 2 or 4")
    return factor


Folders = Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Searched for noisy photos.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Weights to write; a page (.html) and a card (.md) come beside them.",
        show_default="FOLDER.safetensors",
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(min=0.01, help="Train so long.", show_default="60, unless --steps is given"),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Train so many steps.")]
Start = Annotated[
    str, typer.Option("--from", metavar="MODEL", help="Weights to start from, or nothing: random ones.")
]
Network = Annotated[
    NetworkName | None,
    typer.Option(
        help="With --from nothing: light (for CPUs), dbsn or tbsn (the paper's).", show_default="light"
    ),
]
Student = Annotated[
    bool,
    typer.Option(
        "--student",
        help="Half the time for a teacher, half for a fast student of it, which is FILE; "
        "--crop, --batch, --learning-rate, --pd-factor, --targets and --strategy are the teacher's.",
    ),
]
Recipe = Annotated[
    RecipeName,
    typer.Option(help="paper has the paper's settings; auto is fine-tune, or default with --from nothing."),
]
LearningRate = Annotated[
    float | None,
    typer.Option(min=0.0, help="Peak of the schedule.", show_default="the recipe's"),
]
Crop = Annotated[
    int | None,
    typer.Option(min=120, help="Side of a training crop.", show_default="the recipe's, or what fits memory"),
]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Crops per step and process; nsp train's own recipes take 64 on a CUDA GPU.",
        show_default="the recipe's",
    ),
]
PdFactor = Annotated[
    str,
    typer.Option(
        metavar="auto|3…8",
        callback=_check_pd_factor,
        help="s, side of the patches that pairs come from; auto is 5, best for noise of any correlation.",
    ),
]
Targets = Annotated[
    int | None,
    typer.Option(min=1, help="n, targets per patch of s × s pixels.", show_default="the recipe's: 1"),
]
StrategyOf = Annotated[
    StrategyName | None,
    typer.Option(
        "--strategy", help="How a target's pixels are chosen.", show_default="the recipe's: consecutive"
    ),
]
ScalingFactor = Annotated[
    int | None,
    typer.Option(
        metavar="1|2|4",
        callback=_check_scaling_factor,
        help="With --from nothing: t, how much finer a target is than the input.",
        show_default="2",
    ),
]
Group = Annotated[GroupBy | None, typer.Option(help="Tell how many photos there are of each kind.")]
Validate = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="NOISY CLEAN", help="Judge on pictures whose clean versions are known: two folders."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same run.")]
Licence = Annotated[str, typer.Option(metavar="TEXT", help="Written into FILE, for others.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from FILE's checkpoint.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace FILE, its page and its card.")]
