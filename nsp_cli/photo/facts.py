"""Facts about a shot, for grouping photos and for people."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from PIL import Image

from nsp_cli.photo.data import Photo

_MAKE, _MODEL, _EXIF_IFD, _ISO = 271, 272, 0x8769, 34855
_EXPOSURE, _APERTURE, _FOCAL_LENGTH, _LENS, _TAKEN = 33434, 33437, 37386, 42036, 36867


@dataclass(frozen=True)
class CameraFacts:
    """What EXIF tells about a shot; empty and None where it does not.

    Attributes:
        camera: Make and model.
        iso: Speed.
        exposure: Seconds.
        aperture: The f-number.
        focal_length: Millimetres.
        lens: Model.
        taken: Date and time, in the camera's own words.
    """

    camera: str = ""
    iso: int | None = None
    exposure: float | None = None
    aperture: float | None = None
    focal_length: float | None = None
    lens: str = ""
    taken: str = ""

    def describe(self) -> str:
        """Says it in a line, as photographers do: "Canon EOS 350D · 1/60 s · f/2.8 · 50 mm · ISO 800"."""
        parts = (
            self.camera,
            self.lens,
            self.exposure and _seconds(self.exposure),
            self.aperture and f"f/{self.aperture:.3g}",
            self.focal_length and f"{self.focal_length:.3g} mm",
            self.iso and f"ISO {self.iso}",
            self.taken,
        )
        return " · ".join(part for part in parts if part)


def _seconds(exposure: float) -> str:
    return f"1/{1 / exposure:.0f} s" if exposure < 0.4 else f"{exposure:.3g} s"


def camera_facts(photo: Photo) -> CameraFacts:
    """Reads how a photo was taken; damaged EXIF tells nothing."""
    if photo.exif is None:
        return CameraFacts()
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + photo.exif)
        make, model, shot = _text(exif.get(_MAKE)), _text(exif.get(_MODEL)), exif.get_ifd(_EXIF_IFD)
        return CameraFacts(
            camera=_joined(make, model),
            iso=_number(shot.get(_ISO)),
            exposure=_fraction(shot.get(_EXPOSURE)),
            aperture=_fraction(shot.get(_APERTURE)),
            focal_length=_fraction(shot.get(_FOCAL_LENGTH)),
            lens=_text(shot.get(_LENS)),
            taken=_text(shot.get(_TAKEN)),
        )
    except (ValueError, SyntaxError, TypeError, KeyError, OSError):
        return CameraFacts()


def _joined(make: str, model: str) -> str:
    """Names the make once: many models begin with it."""
    return model if model.lower().startswith(make.lower().split(" ")[0]) else f"{make} {model}".strip()


def _text(value: Any) -> str:
    return str(value).replace("\0", " ").strip() if value is not None else ""


def _fraction(value: Any) -> float | None:
    """Returns a positive value; cameras write 0/0 or 0/1 for what they do not know."""
    if not isinstance(value, numbers.Real):
        return None
    number = float(value)
    return number if math.isfinite(number) and number > 0 else None


def _number(value: Any) -> int | None:
    # Some cameras write several speeds; the first is the one that was set.
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) and first > 0 else None
