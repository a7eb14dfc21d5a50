"""What a JPEG carries beside the usual blocks: comments, and segments of applications."""

from __future__ import annotations

from collections.abc import Iterable

from nsp_cli.photo.metadata import jpeg_segments
from nsp_cli.photo.metadata.attached import attached_extras
from nsp_cli.photo.metadata.blocks import COMMENT, LEFT, OUTDATED, SEGMENT
from nsp_cli.photo.metadata.jpeg_segments import EXIF_PREFIX, EXTENDED_XMP, RESOURCES_PREFIX, XMP_PREFIX
from nsp_cli.photo.photo import Extra

_COM, _APP0, _APP11, _APP15 = 0xFE, 0xE0, 0xEB, 0xEF
# Read as blocks of their own, or made anew for the result.
_KNOWN = {
    0xE0: (b"JFIF\0",),
    0xE1: (EXIF_PREFIX, XMP_PREFIX, EXTENDED_XMP),
    0xE2: (b"ICC_PROFILE\0", b"MPF\0"),
    0xED: (RESOURCES_PREFIX,),
    0xEE: (b"Adobe",),
}
_THUMBNAIL = b"JFXX\0"
_LONGEST_NAME = 12


def jpeg_extras(data: bytes) -> tuple[Extra, ...]:
    """Lists comments, segments of applications, and what follows the picture.

    Raises:
        ValueError: There are too many segments.
    """
    found = list(jpeg_segments.walk(data))
    extras = [extra for marker, content in found for extra in _extras(marker, content)]
    packets = [content for marker, content in found if marker == 0xE1 and content.startswith(XMP_PREFIX)]
    extras += [
        Extra(LEFT, "a further XMP packet", packet) for packet in packets[:-1] if packet != packets[-1]
    ]
    end = jpeg_segments.picture_end(data)
    return (*extras, *attached_extras(b"" if end is None else data[end:]))


def _extras(marker: int, content: bytes) -> Iterable[Extra]:
    if marker == _COM:
        yield Extra(COMMENT, "", content)
    elif not _APP0 <= marker <= _APP15 or _is_known(marker, content):
        return
    elif marker == _APP0 and content.startswith(_THUMBNAIL):
        yield Extra(OUTDATED, "JFIF thumbnail", content)
    elif marker == _APP11:  # signatures of the pixels, and parts of pictures that nsp does not decode
        name = "content credentials (C2PA)" if b"c2pa" in content else "JPEG segment APP11"
        yield Extra(LEFT, name, content)
    else:
        yield Extra(SEGMENT, _name(marker, content), bytes([marker]) + content)


def _is_known(marker: int, content: bytes) -> bool:
    """Tells whether a segment is a block of its own, is made anew, or is padding of zeros."""
    return content.startswith(_KNOWN.get(marker, ())) or not content.strip(b"\0")


def _name(marker: int, content: bytes) -> str:
    """Returns the marker's name, and the word with which most applications begin their segments."""
    word = content[:_LONGEST_NAME].partition(b"\0")[0]
    text = "".join(
        letter for letter in word.decode("ascii", "replace") if letter.isalnum() or letter in " _-:/."
    )
    return f"APP{marker - _APP0} {text}".strip()


def extra_segments(extras: Iterable[Extra]) -> bytes:
    """Makes the segments of what a JPEG has a place for; longer comments are left out."""
    comments = [extra.content for extra in extras if extra.kind == COMMENT]
    made = [(_COM, content) for content in comments if len(content) <= jpeg_segments.LONGEST]
    made += [(extra.content[0], extra.content[1:]) for extra in extras if extra.kind == SEGMENT]
    return b"".join(jpeg_segments.segment(marker, content) for marker, content in made)
