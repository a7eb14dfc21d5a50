"""nsp denoise: cleaner copies of noisy photos."""

from __future__ import annotations

from nsp_cli.cli.options import common as options
from nsp_cli.cli.options import photos as batch
from nsp_cli.cli.runs.display import Showing
from nsp_cli.cli.runs.engine import Engine
from nsp_cli.cli.runs.methods import chosen_model, chosen_strength, denoising
from nsp_cli.cli.runs.photos import Target, restore_photos, select


def denoise(
    photos: batch.Photos = None,
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
    """Denoise photos; the originals stay as they are."""
    from nsp_cli.photo import RawOptions

    raw = RawOptions(raw_exposure, raw_wb.value, half)
    restore_photos(
        select(
            photos, files_from, recursive=recursive, include=include, exclude=exclude, prefer=prefer.value
        ),
        denoising(chosen_strength(strength, luma, chroma, plain=plain), plain=plain),
        target=Target(
            output, "_denoised", format, bit_depth, quality, overwrite, keep_times, max_megapixels, raw
        ),
        engine=Engine(chosen_model(model, is_blind_spot=plain), device, precision, tile),
        showing=Showing(json, log, fail_fast, dry_run, open_result, report),
    )
