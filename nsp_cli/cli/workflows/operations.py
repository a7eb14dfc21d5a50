"""What denoise, upscale, watch and evaluate do to a photo's pixels, from their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

from nsp_cli.cli.options.groups import NoiseOptions
from nsp_cli.ops.progress import OnProgress

if TYPE_CHECKING:
    from torch import Tensor

    from nsp_cli.batch import Demosaiced, Restored
    from nsp_cli.photo import Mosaic
    from nsp_cli.restoration.inference import Restorer
    from nsp_cli.restoration.strength import Strength
    from nsp_cli.restoration.view import View

Process = Callable[..., "Restored"]  # of a Restorer, pixels, a progress function and a View
ProcessMosaic = Callable[..., "Demosaiced"]  # of a Restorer, a Mosaic and a progress function


@dataclass(frozen=True)
class Operation:
    """What a command does to the pixels of a photo.

    Attributes:
        process: Function that does it with a network.
        settings: Everything that determines the result, for the result's provenance.
        model: Weights by name, path or address.
        ending: Added to the names of results next to their photos.
        enlarges: True if the result is larger by the weights' scale.
        scale: Scale that the weights must have; None accepts any.
        is_blind_spot: True if it needs a blind-spot network and cannot use a student.
        demosaic: What to do with the values of a Bayer sensor before, with a RAW network.
        raw_model: Weights for that; empty if RAW photos are developed first.
    """

    process: Process
    settings: Mapping[str, object]
    model: str
    ending: str = "_denoised"
    enlarges: bool = False
    scale: int | None = None
    is_blind_spot: bool = False
    demosaic: ProcessMosaic | None = None
    raw_model: str = ""


def denoising(options: NoiseOptions) -> Operation:
    """Denoising as the options ask for.

    Raises:
        typer.BadParameter: A strength was given with --plain.
    """
    from nsp_cli.batch import Restored
    from nsp_cli.restoration import pipeline

    strength, plain, keep = _strength(options), options.plain, options.keep_hot_pixels

    def process(
        restorer: Restorer, pixels: Tensor, on_progress: OnProgress | None, view: View | None = None
    ) -> Restored:
        if plain:
            return Restored(restorer.denoise(pixels, on_progress=on_progress))
        result, plan = pipeline.denoise_tensor(
            restorer, pixels, strength=strength, view=view, keep_hot_pixels=keep, on_progress=on_progress
        )
        outcome = "" if plan.mode else "; passed through unchanged"
        return Restored(result, (plan.describe() + outcome,), plan.levels)

    return Operation(
        process,
        {"command": "denoise", **_recorded(strength, options)},
        _model(options.model, is_papers=plain, automatic="auto"),
        is_blind_spot=plain,
        demosaic=_demosaicing(strength, keep_hot_pixels=keep),
        raw_model="" if plain or options.model != "auto" else "auto-raw",
    )


def upscaling(options: NoiseOptions, mode: Literal["auto", "pd", "direct"], *, x2: bool) -> Operation:
    """Enlarging as the options ask for.

    Raises:
        typer.BadParameter: A strength was given with --plain.
    """
    from nsp_cli.batch import Restored
    from nsp_cli.restoration import pipeline

    strength, plain, keep = _strength(options), options.plain, options.keep_hot_pixels
    is_usual = (strength.luma, strength.chroma) == (1.0, 1.0)

    def process(
        restorer: Restorer, pixels: Tensor, on_progress: OnProgress | None, view: View | None = None
    ) -> Restored:
        if plain:
            chosen: Literal["pd", "direct"] = "direct" if mode == "auto" else mode
            return Restored(restorer.upscale(pixels, mode=chosen, on_progress=on_progress))
        result, plan = pipeline.upscale_tensor(
            restorer,
            pixels,
            mode=mode,
            strength=strength,
            view=view,
            keep_hot_pixels=keep,
            on_progress=on_progress,
        )
        return Restored(result, (plan.describe(),), plan.levels)

    return Operation(
        process,
        {"command": "upscale", "mode": mode, **_recorded(strength, options)},
        _model(options.model, is_papers=plain or mode != "auto", automatic="auto-upscale"),
        ending="_x2",
        enlarges=True,
        scale=2 if x2 else None,
        is_blind_spot=plain or mode == "pd",
        demosaic=_demosaicing(strength, keep_hot_pixels=keep),
        # A share of the noise that stays would be removed, or halved, by the second network.
        raw_model="" if plain or mode != "auto" or options.model != "auto" or not is_usual else "auto-raw",
    )


def _demosaicing(strength: Strength, *, keep_hot_pixels: bool) -> ProcessMosaic:
    """Work on what a Bayer sensor saw."""
    from nsp_cli.batch import Demosaiced
    from nsp_cli.restoration.mosaic_denoising import denoise_mosaic

    def process(restorer: Restorer, mosaic: Mosaic, on_progress: OnProgress | None) -> Demosaiced:
        made = denoise_mosaic(
            restorer, mosaic, strength=strength, keep_hot_pixels=keep_hot_pixels, on_progress=on_progress
        )
        return Demosaiced(made.picture, (made.describe(),), (made.level, made.level))

    return process


def _recorded(strength: Strength, options: NoiseOptions) -> dict[str, object]:
    if options.plain:
        return {"plain": True}
    kept = {"keep_hot_pixels": True} if options.keep_hot_pixels else {}
    return {"luma": strength.luma, "chroma": strength.chroma, **kept}


def _model(model: str, *, is_papers: bool, automatic: str) -> str:
    """Weights to load: "auto" is the paper's network where the paper's method is asked for."""
    if model != "auto":
        return model
    return "auto-blind-spot" if is_papers else automatic


def _strength(options: NoiseOptions) -> Strength:
    from nsp_cli.restoration.strength import Strength

    if options.plain and (options.strength, options.luma, options.chroma) != (None, None, None):
        raise typer.BadParameter(
            "--plain does not use a strength. Leave out --plain, or --strength, --luma and --chroma."
        )
    overall = 1.0 if options.strength is None else options.strength
    return Strength(
        overall if options.luma is None else options.luma,
        overall if options.chroma is None else options.chroma,
    )
