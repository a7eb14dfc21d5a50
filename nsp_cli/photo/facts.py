"""Facts about a shot, for grouping photos and for people."""

from __future__ import annotations

from dataclasses import dataclass

from nsp_cli.photo import exif as ifd
from nsp_cli.photo.data import Photo

_MAKE, _MODEL, _ISO = 271, 272, 34855
_WIDTHS = {3: 2, 4: 4}  # bytes by type: SHORT, LONG


@dataclass(frozen=True)
class CameraFacts:
    """Camera model and ISO speed as EXIF tells them; empty and None where it does not."""

    camera: str = ""
    iso: int | None = None


def camera_facts(photo: Photo) -> CameraFacts:
    """Reads who took a photo at what sensitivity; damaged EXIF tells nothing."""
    if photo.exif is None:
        return CameraFacts()
    try:
        directory, layout = ifd.read_block(photo.exif)
    except ifd.ERRORS:
        return CameraFacts()
    first = {entry.tag: entry for entry in directory.entries}
    shot = directory.children.get(ifd.EXIF_IFD, ifd.Directory([])).entries
    make, model = _text(first.get(_MAKE)), _text(first.get(_MODEL))
    return CameraFacts(
        _joined(make, model), _number({entry.tag: entry for entry in shot}.get(_ISO), layout.order)
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
