"""nsp upscale: denoised enlargements of noisy photos."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from nsp_cli.commands import options
from nsp_cli.commands.methods import chosen_model, chosen_strength, upscaling
from nsp_cli.commands.photos import restore_photos


class Mode(str, Enum):
    """The paper's two ways to enlarge (Sec. 4.4), and the choice by the measured noise."""

    AUTO = "auto"
    DIRECT = "direct"
    PD = "pd"


def upscale(
    photos: options.Photos,
    x2: Annotated[
        bool, typer.Option("--x2", help="Twice as wide and high; refuse weights that enlarge otherwise.")
    ] = False,
    mode: Annotated[
        Mode,
        typer.Option(
            help="direct: sharper, for mild noise and photos that were scaled down; "
            "pd: smoother, for strong noise as it comes from the camera; auto: by the measured noise."
        ),
    ] = Mode.AUTO,
    output: options.Output = None,
    strength: options.StrengthOf = None,
    luma: options.Luma = None,
    chroma: options.Chroma = None,
    plain: options.Plain = False,
    model: options.Model = "auto",
    format: options.Format = None,
    bit_depth: options.BitDepth = None,
    quality: options.Quality = 95,
    raw_exposure: options.RawExposure = 0.0,
    raw_wb: options.RawWhiteBalance = options.WhiteBalance.CAMERA,
    half: options.Half = False,
    overwrite: options.Overwrite = False,
    tile: options.TileSide = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    max_megapixels: options.MaxMegapixels = 250,
    open_result: options.Open = False,
) -> None:
    """Denoise photos and enlarge them twofold in one step."""
    from nsp_cli.batch import WriteOptions
    from nsp_cli.photo import RawOptions

    is_papers = plain or mode is not Mode.AUTO
    restore_photos(
        photos,
        restore=upscaling(chosen_strength(strength, luma, chroma, plain=plain), mode.value, plain=plain),
        enlarges=True,
        factor=2 if x2 else None,
        ending="_x2",
        output=output,
        file_format=format,
        model=chosen_model(model, is_blind_spot=is_papers, enlarges=True),
        is_blind_spot=plain or mode is Mode.PD,
        device=device,
        precision=precision,
        tile=tile,
        options=WriteOptions(bit_depth, quality, overwrite),
        raw=RawOptions(raw_exposure, raw_wb.value, half),
        max_megapixels=max_megapixels,
        open_result=open_result,
    )
