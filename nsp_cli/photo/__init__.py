"""Reading and writing photos, with everything that must be kept: depth, colour profile, EXIF, XMP, alpha.

`public` lists the names. They are imported when one of them is first used, and numpy and Pillow with them:
`nsp --help` needs the names of the formats and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsp_cli.photo.public import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Looks a public name up."""
    public = import_module("nsp_cli.photo.public")
    if name in public.__all__:
        return getattr(public, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
