"""What denoise, upscale and evaluate do to pixels, from their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

from nsp_cli.progress import OnProgress

if TYPE_CHECKING:
    from torch import Tensor

    from nsp_cli.batch import Restored
    from nsp_cli.restoration.inference import Restorer
    from nsp_cli.restoration.recovery import Strength

RestoreWith = Callable[["Restorer", "Tensor", OnProgress | None], "Restored"]


@dataclass(frozen=True)
class Method:
    """What is done to pixels.

    Attributes:
        restore: Does it, with a network.
        settings: All that decides about the result, for its record.
        enlarges: The result is larger by the weights' factor.
        is_blind_spot: Students cannot do it, only the paper's networks.
    """

    restore: RestoreWith
    settings: Mapping[str, object]
    enlarges: bool = False
    is_blind_spot: bool = False


def denoising(strength: Strength, *, plain: bool) -> Method:
    """Returns the way to denoise that the options ask for."""
    from nsp_cli.batch import Restored
    from nsp_cli.restoration import pipeline

    def restore(restorer: Restorer, pixels: Tensor, on_progress: OnProgress | None) -> Restored:
        if plain:
            return Restored(restorer.denoise(pixels, on_progress=on_progress))
        result, plan = pipeline.denoise_tensor(restorer, pixels, strength=strength, on_progress=on_progress)
        outcome = "" if plan.mode else "; passed through unchanged"
        return Restored(result, (plan.describe() + outcome,), plan.levels)

    return Method(restore, {"command": "denoise", **_amount(strength, plain)}, is_blind_spot=plain)


def upscaling(strength: Strength, mode: Literal["auto", "pd", "direct"], *, plain: bool) -> Method:
    """Returns the way to enlarge that the options ask for."""
    from nsp_cli.batch import Restored
    from nsp_cli.restoration import pipeline

    def restore(restorer: Restorer, pixels: Tensor, on_progress: OnProgress | None) -> Restored:
        if plain:
            chosen: Literal["pd", "direct"] = "direct" if mode == "auto" else mode
            return Restored(restorer.upscale(pixels, mode=chosen, on_progress=on_progress))
        result, plan = pipeline.upscale_tensor(
            restorer, pixels, mode=mode, strength=strength, on_progress=on_progress
        )
        return Restored(result, (plan.describe(),), plan.levels)

    settings = {"command": "upscale", "mode": mode, **_amount(strength, plain)}
    return Method(restore, settings, enlarges=True, is_blind_spot=plain or mode == "pd")


def _amount(strength: Strength, plain: bool) -> dict[str, object]:
    return {"plain": True} if plain else {"luma": strength.luma, "chroma": strength.chroma}


def chosen_model(model: str, *, is_blind_spot: bool = False, enlarges: bool = False) -> str:
    """Returns what "auto" stands for in a command: the paper's network where its passes are asked for."""
    if model != "auto":
        return model
    if is_blind_spot:
        return "auto-blind-spot"
    return "auto-upscale" if enlarges else "auto"


def chosen_strength(
    strength: float | None, luma: float | None, chroma: float | None, *, plain: bool
) -> Strength:
    """Makes a strength of three options.

    Raises:
        typer.BadParameter: One was given with --plain, which has none.
    """
    from nsp_cli.restoration.recovery import Strength

    if plain and (strength, luma, chroma) != (None, None, None):
        raise typer.BadParameter("--plain has no strength; leave out one of them")
    overall = 1.0 if strength is None else strength
    return Strength(overall if luma is None else luma, overall if chroma is None else chroma)
