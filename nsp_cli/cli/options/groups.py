"""Groups of options that several commands take: one dataclass for each panel of their help pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nsp_cli.cli.options import common
from nsp_cli.cli.options.panels import CAMERA_RAW, MACHINE, NOISE, PHOTOS, RESULT, RUN, flag


def _check_depth(bits: int | None) -> int | None:
    if bits not in (None, 8, 16):
        raise typer.BadParameter(f"{bits} is not 8 or 16.")
    return bits


@dataclass(frozen=True)
class FilterOptions:
    """Which photos of a folder to process."""

    recursive: Annotated[
        bool, flag("--recursive", "-r", help="Include subfolders. Results keep the folder structure.")
    ] = False
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            metavar="PATTERN",
            help="Only photos that match, such as '2024*.nef' or 'day2/*'. Can be repeated.",
            rich_help_panel=PHOTOS,
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Skip photos that match. Can be repeated.",
            rich_help_panel=PHOTOS,
        ),
    ] = None
    prefer: Annotated[
        Literal["raw", "jpeg", "both"],
        typer.Option(
            "--prefer",
            case_sensitive=False,
            help="For RAW+JPEG pairs, which file to process.",
            rich_help_panel=PHOTOS,
        ),
    ] = "both"
    max_megapixels: common.MaxMegapixels = 250
    accept_damaged: Annotated[
        bool,
        flag(
            "--accept-damaged",
            help="Read JPEGs that are cut short. What is missing stays grey, and a note says how much.",
            panel=PHOTOS,
        ),
    ] = False


@dataclass(frozen=True)
class PhotoOptions(FilterOptions):
    """Which photos to process."""

    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PHOTO", help="Photos, folders or patterns such as '*.jpg'. Use - for standard input."
        ),
    ] = None
    files_from: Annotated[
        Path | None,
        typer.Option(
            "--files-from",
            metavar="FILE",
            help="Read the names of photos from a file, one per line. Use - for standard input.",
            rich_help_panel=PHOTOS,
        ),
    ] = None


def _strength(name: str, help: str, default: str, panel: str | None) -> Any:
    return typer.Option(
        name, min=0, max=2, metavar="N", help=help, show_default=default, rich_help_panel=panel
    )


@dataclass(frozen=True)
class NoiseOptions:
    """How to denoise, and with which weights."""

    strength: Annotated[
        float | None,
        _strength(
            "--strength",
            "How much noise to remove: 0 keeps the pixels, 1 follows the measured noise, 2 is smoothest.",
            "1",
            None,
        ),
    ] = None
    luma: Annotated[
        float | None, _strength("--luma", "Strength for brightness noise (grain).", "--strength", NOISE)
    ] = None
    chroma: Annotated[
        float | None, _strength("--chroma", "Strength for colour noise.", "--strength", NOISE)
    ] = None
    plain: Annotated[
        bool,
        flag(
            "--plain",
            help="Run only the paper's method, without noise estimation or detail recovery.",
            panel=NOISE,
        ),
    ] = False
    keep_hot_pixels: common.KeepHotPixels = False
    model: common.Model = "auto"


@dataclass(frozen=True)
class ResultOptions:
    """Where and how to write results."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File or folder to write to. Use - for standard output.",
            show_default="next to the photo",
        ),
    ] = None
    format: common.Format = None
    overwrite: common.Overwrite = False
    bit_depth: Annotated[
        int | None,
        typer.Option(
            "--bit-depth",
            metavar="8|16",
            callback=_check_depth,
            help="Bits per channel of the result.",
            show_default="the photo's bit depth",
            rich_help_panel=RESULT,
        ),
    ] = None
    quality: Annotated[
        int,
        typer.Option(
            "--quality",
            min=1,
            max=100,
            metavar="N",
            help="Quality of JPEG, WebP and AVIF results.",
            rich_help_panel=RESULT,
        ),
    ] = 95
    keep_times: Annotated[
        bool,
        flag("--keep-times", help="Give each result the file times of its photo.", panel=RESULT),
    ] = False

    @property
    def format_name(self) -> str | None:
        """Name of the format; None keeps the photo's."""
        return None if self.format is None else self.format.value


@dataclass(frozen=True)
class ArrivingResultOptions(ResultOptions):
    """Where and how to write the results of photos that arrive: never to standard output."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder to write to.",
            show_default="next to the photo",
        ),
    ] = None


@dataclass(frozen=True)
class CameraRawOptions:
    """How to develop camera RAW files."""

    raw_exposure: Annotated[
        float,
        typer.Option(
            "--raw-exposure",
            min=-3,
            max=3,
            metavar="EV",
            help="Exposure correction in EV. Positive values brighten.",
            rich_help_panel=CAMERA_RAW,
        ),
    ] = 0.0
    raw_wb: Annotated[
        Literal["camera", "auto", "daylight"],
        typer.Option("--raw-wb", case_sensitive=False, help="White balance.", rich_help_panel=CAMERA_RAW),
    ] = "camera"
    half: Annotated[
        bool,
        flag("--half", help="Develop at half the width and height, which is faster.", panel=CAMERA_RAW),
    ] = False


@dataclass(frozen=True)
class ReportingOptions:
    """What a run reports while it works."""

    json: Annotated[bool, flag("--json", help="Print one JSON object per photo, on one line.", panel=RUN)] = (
        False
    )
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="Append one line per photo to this file, and unexpected errors in full.",
            rich_help_panel=RUN,
        ),
    ] = None


@dataclass(frozen=True)
class RunOptions(ReportingOptions):
    """How a run over many photos goes, and what it reports."""

    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="PAGE.html",
            help="Write an HTML page that shows all photos before and after. Replaces an earlier page.",
            rich_help_panel=RUN,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        flag(
            "--dry-run",
            help="Write nothing. Show what would be written and how long it would take.",
            panel=RUN,
        ),
    ] = False
    fail_fast: Annotated[bool, flag("--fail-fast", help="Stop at the first photo that fails.", panel=RUN)] = (
        False
    )
    open_result: common.OpenResult = False
    cluster: common.Cluster = None


@dataclass(frozen=True)
class MachineOptions:
    """Where and how to compute."""

    device: common.Device = "auto"
    precision: common.Precision = "auto"
    tile: Annotated[
        int | None,
        typer.Option(
            "--tile",
            min=1,
            metavar="PIXELS",
            help="Side of a tile's core. Smaller tiles need less memory.",
            show_default="from free memory; rows on a CPU",
            rich_help_panel=MACHINE,
        ),
    ] = None
