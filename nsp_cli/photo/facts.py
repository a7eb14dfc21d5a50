"""Facts about a shot, for grouping photos and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from nsp_cli.photo.data import Photo

_MAKE, _MODEL, _EXIF_IFD, _ISO = 271, 272, 0x8769, 34855


@dataclass(frozen=True)
class CameraFacts:
    """Camera model and ISO speed as EXIF tells them; empty and None where it does not."""

    camera: str = ""
    iso: int | None = None


def camera_facts(photo: Photo) -> CameraFacts:
    """Reads who took a photo at what sensitivity; damaged EXIF tells nothing."""
    if photo.exif is None:
        return CameraFacts()
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + photo.exif)
        make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
        return CameraFacts(_joined(make, model), _number(exif.get_ifd(_EXIF_IFD).get(_ISO)))
    except (ValueError, SyntaxError, TypeError, KeyError, OSError):
        return CameraFacts()


def _joined(make: str, model: str) -> str:
    """Names the make once: many models begin with it."""
    return model if model.lower().startswith(make.lower().split(" ")[0]) else f"{make} {model}".strip()


def _text(value: Any) -> str:
    return str(value).replace("\0", " ").strip() if value is not None else ""


def _number(value: Any) -> int | None:
    # Some cameras write several speeds; the first is the one that was set.
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) and first > 0 else None
