"""What comes after the end of a picture: data of cameras and programs that no format knows."""

from __future__ import annotations

from nsp_cli.photo.metadata.blocks import LEFT
from nsp_cli.photo.photo import Extra

_PADDING = b"\0\xff \r\n"
_END_MARK = b"\xff\xd9"  # of a JPEG; some programs write it twice
# By what they begin or end with.
_STARTS = {
    b"\xff\xd8\xff": "a further picture",
    b"CANON OPTIONAL DATA": "Canon's data",
    b"vivo{": "Vivo's data",
}
_ENDS = {
    b"AXS!": "AFCP",
    b"AXS*": "AFCP",
    b"SEFT": "Samsung's data",
    b"\xa1\xb2\xc3\xd4": "FotoStation's data",
}
_END_PLACES = {b"AXS!": 12, b"AXS*": 12, b"SEFT": 4, b"\xa1\xb2\xc3\xd4": 4}  # bytes before the file's end


def trailer_extras(data: bytes) -> list[Extra]:
    """Names what follows the end mark of a picture; nothing for padding."""
    if not data.replace(_END_MARK, b"").strip(_PADDING):
        return []
    return [Extra(LEFT, f"{_kind(data)} after the picture ({len(data)} bytes)", data)]


def _kind(data: bytes) -> str:
    starts = (name for mark, name in _STARTS.items() if data.startswith(mark))
    ends = (name for mark, name in _ENDS.items() if data[len(data) - _END_PLACES[mark] :].startswith(mark))
    return next(starts, next(ends, "data of an unknown kind"))
