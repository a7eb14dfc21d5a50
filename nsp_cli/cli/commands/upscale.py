"""nsp upscale: denoised enlargements of noisy photos."""

from __future__ import annotations

from typing import Annotated

import typer

from nsp_cli.cli.options import common as options
from nsp_cli.cli.options import photos as batch
from nsp_cli.cli.runs.display import Showing
from nsp_cli.cli.runs.engine import Engine
from nsp_cli.cli.runs.methods import chosen_model, chosen_strength, upscaling
from nsp_cli.cli.runs.photos import Target, restore_photos, select


def upscale(
    photos: batch.Photos = None,
    x2: Annotated[
        bool, typer.Option("--x2", help="Twice as wide and high; refuse weights that enlarge otherwise.")
    ] = False,
    mode: options.Mode = options.UpscaleMode.AUTO,
    output: options.Output = None,
    recursive: batch.Recursive = False,
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
    keep_times: batch.KeepTimes = False,
    include: batch.Include = None,
    exclude: batch.Exclude = None,
    prefer: batch.PreferOf = batch.Prefer.BOTH,
    files_from: batch.FilesFrom = None,
    dry_run: batch.DryRun = False,
    fail_fast: batch.FailFast = False,
    json: batch.Json = False,
    log: batch.Log = None,
    report: batch.Report = None,
    tile: options.TileSide = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    max_megapixels: options.MaxMegapixels = 250,
    open_result: options.Open = False,
) -> None:
    """Denoise photos and enlarge them twofold in one step."""
    from nsp_cli.photo import RawOptions

    raw = RawOptions(raw_exposure, raw_wb.value, half)
    is_papers = plain or mode is not options.UpscaleMode.AUTO
    model = chosen_model(model, is_blind_spot=is_papers, enlarges=True)
    restore_photos(
        select(
            photos, files_from, recursive=recursive, include=include, exclude=exclude, prefer=prefer.value
        ),
        upscaling(chosen_strength(strength, luma, chroma, plain=plain), mode.value, plain=plain),
        target=Target(output, "_x2", format, bit_depth, quality, overwrite, keep_times, max_megapixels, raw),
        engine=Engine(model, device, precision, tile, factor=2 if x2 else None),
        showing=Showing(json, log, fail_fast, dry_run, open_result, report),
    )
