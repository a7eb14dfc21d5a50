"""Options that several commands share, so that they read and behave alike everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from nsp_cli.cli.options.panels import MACHINE, NOISE, PHOTOS, RESULT, RUN, flag
from nsp_cli.photo.formats import FileFormat


def check_strengths(text: str | None) -> str | None:
    """Checks a list of strengths and returns it unchanged, as Typer expects of a callback.

    Raises:
        typer.BadParameter: `parse_strengths` cannot read it.
    """
    if text is not None:
        parse_strengths(text)
    return text


def parse_strengths(text: str) -> list[float]:
    """Numbers of a list such as "0.5,1,1.5", each once.

    Raises:
        typer.BadParameter: An entry is not a number from 0 to 2.
    """
    try:
        strengths = list(dict.fromkeys(map(float, text.split(","))))
    except ValueError:
        strengths = []
    if not strengths or not all(0 <= strength <= 2 for strength in strengths):
        raise typer.BadParameter(f"{text!r} is not a list of numbers from 0 to 2, such as 0.5,1,1.5.")
    return strengths


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="Weights: a name from nsp weights list, a .safetensors file or hf://owner/repo/file.",
        rich_help_panel=NOISE,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="Device to compute on: auto, cpu, cuda, cuda:N, mps, or xpu (Intel GPUs, not tried yet).",
        rich_help_panel=MACHINE,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="TYPE",
        help="Precision of the network: auto, float32, bfloat16 or float16.",
        rich_help_panel=MACHINE,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="auto|ADDRESS",
        help="Share the photos among the workers of a Ray cluster: auto starts one on this machine, "
        "HOST:PORT joins one.",
        rich_help_panel=RUN,
    ),
]
Format = Annotated[
    FileFormat | None,
    typer.Option(
        "--format",
        case_sensitive=False,
        metavar="FORMAT",
        help=f"Format of the result: {', '.join(known.value for known in FileFormat)}.",
        show_default="the photo's format; jpeg for HEIC, tiff for RAW",
    ),
]
Overwrite = Annotated[bool, flag("--overwrite", help="Replace existing results. Photos are never replaced.")]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        "--max-megapixels",
        min=0,
        metavar="N",
        help="Refuse photos with more megapixels than this.",
        rich_help_panel=PHOTOS,
    ),
]
KeepHotPixels = Annotated[
    bool,
    flag(
        "--keep-hot-pixels",
        help="Leave single bright pixels of the sensor alone. They are removed otherwise.",
        panel=NOISE,
    ),
]
OpenResult = Annotated[bool, flag("--open", help="Open the result in the system's viewer.", panel=RESULT)]
Json = Annotated[bool, flag("--json", help="Print the result as JSON.")]
Strengths = Annotated[
    str,
    typer.Option(
        "--strengths",
        metavar="N,N,…",
        callback=check_strengths,
        help="Strengths to try, from 0 to 2 and separated by commas.",
    ),
]
UpscaleMode = Annotated[
    Literal["auto", "direct", "pd"],
    typer.Option(
        "--mode",
        help="direct is sharper, for mild noise and photos that were reduced in size. "
        "pd is smoother, for strong noise straight from the camera. auto measures the noise and chooses.",
    ),
]
