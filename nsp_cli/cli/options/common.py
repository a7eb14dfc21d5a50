"""Options that several commands share, so that they read and behave alike everywhere."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nsp_cli.photo.formats import FileFormat


class WhiteBalance(str, Enum):
    """Where the white balance of camera RAW comes from."""

    CAMERA = "camera"
    AUTO = "auto"
    DAYLIGHT = "daylight"


class UpscaleMode(str, Enum):
    """The paper's two ways to enlarge (Sec. 4.4), and the choice by the measured noise."""

    AUTO = "auto"
    DIRECT = "direct"
    PD = "pd"


def _check_depth(bits: int | None) -> int | None:
    if bits not in (None, 8, 16):
        raise typer.BadParameter(f"{bits} is not 8 or 16")
    return bits


def check_strengths(text: str | None) -> str | None:
    """Refuses, as an option's callback, what `amounts` cannot read."""
    if text is not None:
        amounts(text)
    return text


def amounts(text: str) -> list[float]:
    """Reads numbers between commas, each once.

    Raises:
        typer.BadParameter: One is none, or not from 0 to 2.
    """
    try:
        amounts = list(dict.fromkeys(map(float, text.split(","))))
    except ValueError:
        amounts = []
    if not amounts or not all(0 <= amount <= 2 for amount in amounts):
        raise typer.BadParameter(f"{text!r} is not numbers from 0 to 2, such as 0.5,1,1.5")
    return amounts


Photos = Annotated[
    list[Path],
    typer.Argument(metavar="PHOTO", help="Photos, folders or patterns such as '*.jpg'.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="PATH", help="File or folder to write.", show_default="beside the photo"
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="Weights: a name, a .safetensors file or hf://owner/repo/file."
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[
    str, typer.Option("--precision", metavar="TYPE", help="auto, float32, bfloat16 or float16.")
]
TileSide = Annotated[
    int | None,
    typer.Option(
        "--tile", min=1, metavar="PIXELS", help="Side of a tile's core.", show_default="from free memory"
    ),
]
Format = Annotated[
    FileFormat | None,
    typer.Option(
        "--format",
        case_sensitive=False,
        help="Format of the result.",
        show_default="the photo's; jpeg for HEIC, tiff for RAW",
    ),
]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth",
        metavar="8|16",
        callback=_check_depth,
        help="Bits per channel of the result.",
        show_default="the photo's",
    ),
]
Quality = Annotated[int, typer.Option("--quality", min=1, max=100, help="Of JPEG, WebP and AVIF.")]
RawExposure = Annotated[
    float,
    typer.Option("--raw-exposure", min=-3.0, max=3.0, metavar="-3…3", help="Brighten camera RAW, in EV."),
]
RawWhiteBalance = Annotated[
    WhiteBalance, typer.Option("--raw-wb", case_sensitive=False, help="White balance of camera RAW.")
]
Half = Annotated[bool, typer.Option("--half", help="Camera RAW at half the width and height, in less time.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing results; never the photo itself.")
]
MaxMegapixels = Annotated[
    float, typer.Option("--max-megapixels", min=0.0, metavar="N", help="Refuse larger photos.")
]
Open = Annotated[bool, typer.Option("--open", help="Show the result in the system's viewer.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

StrengthOf = Annotated[
    float | None,
    typer.Option(
        "--strength",
        min=0.0,
        max=2.0,
        metavar="0…2",
        help="0 keeps the pixels, 1 goes by the measured noise, 2 is smoothest.",
        show_default="1",
    ),
]
Luma = Annotated[
    float | None,
    typer.Option(
        "--luma", min=0.0, max=2.0, metavar="0…2", help="Strength on grain.", show_default="--strength"
    ),
]
Chroma = Annotated[
    float | None,
    typer.Option(
        "--chroma", min=0.0, max=2.0, metavar="0…2", help="Strength on colour.", show_default="--strength"
    ),
]
Plain = Annotated[
    bool, typer.Option("--plain", help="The paper's averaging alone: no measuring, no detail handed back.")
]
Mode = Annotated[
    UpscaleMode,
    typer.Option(
        "--mode",
        help="direct: sharper, for mild noise and photos that were scaled down; "
        "pd: smoother, for strong noise as it comes from the camera; auto: by the measured noise.",
    ),
]
