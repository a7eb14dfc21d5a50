"""Texts with a keyword, as PNG files hold them, and the profiles that some programs hide in such texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from nsp_cli.photo.metadata.iptc import with_iptc
from nsp_cli.photo.metadata.jpeg_segments import EXIF_PREFIX, RESOURCES_PREFIX, XMP_PREFIX

COMMENT_KEYWORD = "Comment"
"""Keyword of a text that has none elsewhere, such as a JPEG's comment."""
_RAW_PROFILE = "Raw profile type "
_LONGEST_KEYWORD = 79
_HEX_LINE = 72
_RECORD_START = b"\x1c"
_PROFILE = re.compile(r"\s*(\w+)\s+(\d+)\s+([0-9a-fA-F\s]*)")

Unpack = Callable[[bytes], bytes]


class Text(NamedTuple):
    """A text chunk of a PNG. `content` is UTF-8; `has_more` is true if it states a language."""

    keyword: str
    content: bytes
    has_more: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether keyword and content say all, and PNG allows such a keyword."""
        return not self.has_more and 0 < len(self.keyword) <= _LONGEST_KEYWORD


def text_of(content: bytes) -> str:
    """Returns a text whose encoding nothing states: UTF-8 if it is valid, otherwise Latin-1.

    Zeros around it are left out, and those in it become spaces: a PNG's text cannot hold them.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.strip("\0").replace("\0", " ")


def read_text(chunk: bytes, body: bytes, unpack: Unpack) -> Text:
    """Reads the body of a tEXt, zTXt or iTXt chunk.

    Raises:
        ValueError, LookupError: It is damaged.
    """
    name, _, rest = body.partition(b"\0")
    keyword = name.decode("latin-1")
    if chunk != b"iTXt":
        plain = unpack(rest[1:]) if chunk == b"zTXt" else rest
        return Text(keyword, plain.decode("latin-1").encode())
    language, translated, content = rest[2:].split(b"\0", 2)
    content = unpack(content) if rest[0] else content
    content.decode()
    return Text(keyword, content, bool(language or translated))


def pack_text(keyword: str, content: bytes) -> tuple[bytes, bytes]:
    """Returns the name and the body of a chunk for a text: iTXt where Latin-1 cannot hold it."""
    name, text = keyword.encode("latin-1", "replace")[:_LONGEST_KEYWORD], text_of(content)
    try:
        return b"tEXt", name + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", name + bytes(5) + text.encode()


def profile_kind(keyword: str) -> str:
    """Returns the sort of metadata that a text of this keyword hides: "exif", "iptc", …; empty for none."""
    return keyword[len(_RAW_PROFILE) :].lower() if keyword.startswith(_RAW_PROFILE) else ""


def read_profile(kind: str, content: bytes) -> tuple[str, bytes]:
    """Decodes a hidden profile; returns its place in a photo ("exif", "xmp", "resources", "icc") and content.

    Raises:
        ValueError: It is damaged, or of a sort that nsp does not know.
    """
    found = _PROFILE.match(text_of(content))
    if found is None:
        raise ValueError("it is no profile")
    data = bytes.fromhex(found[3])
    if len(data) != int(found[2]):
        raise ValueError("its length differs")
    if data.startswith(XMP_PREFIX):
        return "xmp", data.removeprefix(XMP_PREFIX)
    places = {"exif": "exif", "app1": "exif", "xmp": "xmp", "icc": "icc", "icm": "icc"}
    if kind in places:
        return places[kind], data.removeprefix(EXIF_PREFIX)
    if kind not in ("iptc", "8bim", "app13"):
        raise ValueError(f"{kind} is no known profile")
    data = data.removeprefix(RESOURCES_PREFIX)  # of a JPEG's segment, which some programs hide as a whole
    return "resources", with_iptc(None, data) if data.startswith(_RECORD_START) else data


def pack_profile(kind: str, data: bytes) -> tuple[str, bytes]:
    """Returns keyword and content of a text that hides a profile, as ImageMagick and others read it."""
    digits = data.hex()
    lines = [digits[place : place + _HEX_LINE] for place in range(0, len(digits), _HEX_LINE)]
    text = f"\n{kind}\n{len(data):8}\n" + "".join(f"{line}\n" for line in lines)
    return f"{_RAW_PROFILE}{kind}", text.encode()
