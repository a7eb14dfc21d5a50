"""Facts about a shot, for grouping photos and for people."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.photo import Photo

_MAKE, _MODEL, _ISO = 271, 272, 34855
_EXPOSURE, _APERTURE, _FOCAL_LENGTH, _LENS, _TAKEN = 33434, 33437, 37386, 42036, 36867
_FRACTIONS = {5: "II", 10: "ii"}  # struct's letters by type: RATIONAL, SRATIONAL
_WIDTHS = {3: 2, 4: 4}  # bytes by type: SHORT, LONG


@dataclass(frozen=True)
class CameraFacts:
    """Facts from EXIF; empty or None if EXIF does not state them.

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
        """One line, as photographers write it: "Canon EOS 350D · 1/60 s · f/2.8 · 50 mm · ISO 800"."""
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
    """Reads how a photo was taken; damaged EXIF gives no facts."""
    if photo.exif is None:
        return CameraFacts()
    try:
        directory, layout = ifd.read_block(photo.exif)
    except ifd.IFD_ERRORS:
        return CameraFacts()
    first = {entry.tag: entry for entry in directory.entries}
    inner = directory.children.get(ifd.EXIF_IFD, ifd.Directory([])).entries
    shot, order = {entry.tag: entry for entry in inner}, layout.order
    return CameraFacts(
        camera=_joined(_text(first.get(_MAKE)), _text(first.get(_MODEL))),
        iso=_number(shot.get(_ISO), order),
        exposure=_fraction(shot.get(_EXPOSURE), order),
        aperture=_fraction(shot.get(_APERTURE), order),
        focal_length=_fraction(shot.get(_FOCAL_LENGTH), order),
        lens=_text(shot.get(_LENS)),
        taken=_text(shot.get(_TAKEN)),
    )


def _joined(make: str, model: str) -> str:
    """Names the make once: many models begin with it."""
    return model if model.lower().startswith(make.lower().split(" ")[0]) else f"{make} {model}".strip()


def _text(entry: ifd.Entry | None) -> str:
    """Returns printable text; a stray control character must not reach a terminal."""
    text = "" if entry is None else entry.value.replace(b"\0", b" ").decode("utf-8", "replace")
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _number(entry: ifd.Entry | None, order: str) -> int | None:
    """Returns the first of the speeds, which is the one that was set; some cameras write several."""
    width = 0 if entry is None else _WIDTHS.get(entry.kind, 0)
    if entry is None or width == 0:
        return None
    return int.from_bytes(entry.value[:width], "little" if order == "<" else "big") or None


def _fraction(entry: ifd.Entry | None, order: str) -> float | None:
    """Returns a positive value; cameras write 0/0 or 0/1 for what they do not know."""
    letters = None if entry is None else _FRACTIONS.get(entry.kind)
    if entry is None or letters is None:
        return None
    number, per = struct.unpack_from(order + letters, entry.value)
    return number / per if per and number / per > 0 else None
