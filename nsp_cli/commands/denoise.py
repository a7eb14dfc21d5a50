"""nsp denoise: cleaner copies of noisy photos."""

from __future__ import annotations

from nsp_cli.commands import options
from nsp_cli.commands.methods import chosen_model, chosen_strength, denoising
from nsp_cli.commands.photos import restore_photos


def denoise(
    photos: options.Photos,
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
    """Denoise photos; the originals stay as they are."""
    from nsp_cli.batch import WriteOptions
    from nsp_cli.photo import RawOptions

    restore_photos(
        photos,
        restore=denoising(chosen_strength(strength, luma, chroma, plain=plain), plain=plain),
        ending="_denoised",
        output=output,
        file_format=format,
        model=chosen_model(model, is_blind_spot=plain),
        is_blind_spot=plain,
        device=device,
        precision=precision,
        tile=tile,
        options=WriteOptions(bit_depth, quality, overwrite),
        raw=RawOptions(raw_exposure, raw_wb.value, half),
        max_megapixels=max_megapixels,
        open_result=open_result,
    )
