"""nsp: denoise and enlarge noisy photos with Next-Scale Prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsp_cli.api import Strength, denoise, load_weights, upscale

__version__ = "0.1.0"
__all__ = ["Strength", "__version__", "denoise", "load_weights", "upscale"]


def __getattr__(name: str) -> Any:
    """Imports the API, and torch with it, on first use, because `nsp --help` must be quick."""
    if name in __all__:
        from nsp_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
