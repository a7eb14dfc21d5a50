"""The options of nsp train and nsp distill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from nsp_cli.cli.options import common
from nsp_cli.cli.options.panels import METHOD, NETWORK, PHOTOS, RESULT, RUN, flag


def _check_pd_factor(factor: str) -> str:
    if factor != "auto" and factor not in {"3", "4", "5", "6", "7", "8"}:
        raise typer.BadParameter(f"{factor} is not auto or a number from 3 to 8.")
    return factor


def _check_scaling_factor(factor: int | None) -> int | None:
    if factor not in (None, 1, 2, 4):
        raise typer.BadParameter(f"{factor} is not 1, 2 or 4.")
    return factor


@dataclass(frozen=True)
class TrainingOptions:
    """What training of both kinds needs: photos, result, time and start."""

    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders of noisy photos.")]
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Weights to write. A page (.html) and a model card (.md) are written next to them.",
            show_default="FOLDER.safetensors",
        ),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            min=0.01,
            metavar="N",
            help="Time for the whole command, in minutes; of nsp distill, for the training alone.",
            show_default="60, unless --steps is given",
        ),
    ] = None
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="MODEL", help="Weights to start from, or the word nothing for random weights."
        ),
    ] = "auto"
    resume: Annotated[
        bool,
        flag(
            "--resume",
            help="Continue from the checkpoint next to FILE; with more --minutes, also a finished run.",
        ),
    ] = False
    overwrite: Annotated[bool, flag("--overwrite", help="Replace FILE, its page and its card.")] = False
    group_by: Annotated[
        Literal["camera", "iso", "camera-iso"] | None,
        typer.Option(
            "--group-by",
            help="Show how many photos there are per camera, ISO value or both.",
            rich_help_panel=PHOTOS,
        ),
    ] = None
    validate: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--validate",
            metavar="NOISY CLEAN",
            help="Compare the result on photos whose clean versions are known: two folders.",
            rich_help_panel=PHOTOS,
        ),
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            min=0,
            metavar="RATE",
            help="Highest learning rate of the schedule.",
            show_default="from the recipe",
            rich_help_panel=METHOD,
        ),
    ] = None
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            min=1,
            metavar="N",
            help="Crops per step and process. On a CUDA GPU it is 64 for blind-spot networks, except with "
            "--recipe paper.",
            show_default="from the recipe",
            rich_help_panel=METHOD,
        ),
    ] = None
    licence: Annotated[
        str,
        typer.Option(
            "--licence", metavar="TEXT", help="Licence to record in the weights.", rich_help_panel=RESULT
        ),
    ] = ""
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, metavar="N", help="Number of training steps.", rich_help_panel=RUN),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            metavar="N",
            help="Seed of all random choices. The same seed repeats a run.",
            rich_help_panel=RUN,
        ),
    ] = 0
    device: common.Device = "auto"


@dataclass(frozen=True)
class NetworkOptions:
    """Which network to train, if not the one that denoises by default."""

    network: Annotated[
        Literal["light", "dbsn", "tbsn"] | None,
        typer.Option(
            "--network",
            help="Train a blind-spot network by the paper's method instead of adapting the default one. "
            "light starts from nsp-light; dbsn and tbsn, those of the paper, from random weights.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    scaling_factor: Annotated[
        int | None,
        typer.Option(
            "--scaling-factor",
            metavar="1|2|4",
            callback=_check_scaling_factor,
            help="With --from nothing: t, how much finer a target is than the input.",
            show_default="2",
            rich_help_panel=NETWORK,
        ),
    ] = None


@dataclass(frozen=True)
class MethodOptions:
    """How to train a blind-spot network: the settings of the paper."""

    recipe: Annotated[
        Literal["auto", "default", "fine-tune", "paper"],
        typer.Option(
            "--recipe",
            help="Set of defaults for all settings below. auto is fine-tune, or default with random weights. "
            "paper has the settings of the paper.",
            rich_help_panel=METHOD,
        ),
    ] = "auto"
    crop: Annotated[
        int | None,
        typer.Option(
            "--crop",
            min=120,
            metavar="PIXELS",
            help="Side of a training crop.",
            show_default="from the recipe, or what fits memory",
            rich_help_panel=METHOD,
        ),
    ] = None
    pd_factor: Annotated[
        str,
        typer.Option(
            "--pd-factor",
            metavar="auto|3…8",
            callback=_check_pd_factor,
            help="s, side of the patches that training pairs come from. auto is 5, the best value for noise "
            "of any correlation.",
            rich_help_panel=METHOD,
        ),
    ] = "auto"
    targets: Annotated[
        int | None,
        typer.Option(
            "--targets",
            min=1,
            metavar="N",
            help="n, targets per patch of s × s pixels.",
            show_default="from the recipe: 1",
            rich_help_panel=METHOD,
        ),
    ] = None
    strategy: Annotated[
        Literal["random", "sorted", "intersected", "consecutive"] | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            help="How the pixels of a target are chosen: random, sorted, intersected or consecutive.",
            show_default="from the recipe: consecutive",
            rich_help_panel=METHOD,
        ),
    ] = None
