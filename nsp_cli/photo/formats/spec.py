"""What nsp must know about a file format: one `FormatSpec` for each, in a module of its own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from nsp_cli.photo.metadata.blocks import IPTC, KINDS, RESOURCES, Blocks
from nsp_cli.photo.metadata.resolution import RESOLUTION_TAGS
from nsp_cli.photo.photo import Photo

BLOCKS = frozenset(KINDS) - {IPTC, RESOURCES}
"""Kinds of facts that most formats hold; Photoshop's image resources have a place in two only."""


@dataclass(frozen=True)
class Tags:
    """Tags of the first EXIF directory that may be different in a written file, and the reason in words."""

    tags: frozenset[int] = frozenset()
    reason: str = ""


NO_TAGS = Tags()
TWO_RESOLUTIONS = Tags(RESOLUTION_TAGS, "the source states two resolutions, of which the result has one")


@dataclass(frozen=True)
class MetadataSpec:
    """How a format stores metadata, for the check that nothing is lost.

    Attributes:
        read_blocks: Reads what a file carries; None if files of this format are not compared.
        holds: Kinds of facts that the format has a place for.
        longest_comment: Bytes of UTF-8 in each comment.
        own: Tags that a file states for itself and does not take from its source.
        merged: Tags that may change because the source states them twice.
        stated_profile: Profile of a photo's colours that its file states without an ICC profile, which then
            is not written: it stays as the photo's own file has it.
        no_profile: Reason why the colour profile is not kept; empty if it is.
        is_misread_by_exiv2: Whether exiv2 fails to find the EXIF of some intact files.
    """

    read_blocks: Callable[[BinaryIO], Blocks] | None = None
    holds: frozenset[str] = BLOCKS
    longest_comment: float = math.inf
    own: Tags = NO_TAGS
    merged: Tags = NO_TAGS
    stated_profile: Callable[[Photo], bytes | None] | None = None
    no_profile: str = ""
    is_misread_by_exiv2: bool = False


NOTHING_READ = MetadataSpec()


def never(path: Path, head: bytes) -> bool:  # noqa: ARG001 - the shape of a recogniser
    """Recognises no file."""
    return False


def starts_with(*magics: bytes) -> Callable[[Path, bytes], bool]:
    """Makes a recogniser for files that start with one of these byte strings."""

    def recognise(path: Path, head: bytes) -> bool:  # noqa: ARG001
        return head.startswith(magics)

    return recognise


def header_size(path: Path) -> tuple[int, int]:
    """Width and height from the header, as Pillow reads it."""
    with warnings.catch_warnings():  # Pillow warns about large pictures; nsp has a limit of its own
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            return image.size


def own_suffix(path: Path) -> str:
    """Suffix of the photo itself: its format can hold every result."""
    return path.suffix


@dataclass(frozen=True)
class FormatSpec:
    """One format.

    Attributes:
        name: As in `--format`; also the name of its module.
        label: For people.
        suffixes: In lower case; the first one is given to results.
        read_suffixes: Further ones, of files that are read and never written.
        readable: What is read, in words for the documentation.
        writable: What is written, in words for the documentation.
        not_kept: What a file can hold and nsp does not keep, in words for the documentation.
        recognise: Takes a path and the first 64 bytes of the file.
        read: Takes a path and the largest size in megapixels; None if the format is only written.
        read_damaged: The same for photos of which a part is missing; None if none of them is read.
        size: Reads width and height as stored, without decoding.
        write: Writes without loss. None if the format is lossy or is never written.
        write_lossy: Writes with a quality from 1 to 100. None if the format is lossless or is never written.
        depths: Bits per channel that can be written.
        has_grey: Whether a file can have a single channel.
        has_alpha: Whether a file can hold transparency.
        longest_side: Largest height or width in pixels; None if there is no limit below 2 billion.
        check_photo: Raises OutputError for photos that this format cannot hold for other reasons. Takes the
            photo, the path of the result, and how many times wider and higher it will be.
        result_suffix: Suffix of a photo's result if the user asks for no format.
        metadata: How it stores metadata.
        noise_difference: Largest mean difference, in 8-bit levels, of pure noise that is written and
            read again.
        only_from: Name of the format that every photo must come from; empty for any.
        library: Module that it needs and that nsp does not always bring; empty for none.
        extra: Name of nsp's optional dependencies that bring it.
    """

    name: str
    label: str
    suffixes: tuple[str, ...]
    read_suffixes: tuple[str, ...] = ()
    readable: str = ""
    writable: str = ""
    not_kept: str = ""
    recognise: Callable[[Path, bytes], bool] = never
    read: Callable[[Path, float], Photo] | None = None
    read_damaged: Callable[[Path, float], Photo] | None = None
    size: Callable[[Path], tuple[int, int]] = header_size
    write: Callable[[Photo, BinaryIO], None] | None = None
    write_lossy: Callable[[Photo, BinaryIO, int], None] | None = None
    depths: tuple[int, ...] = (8, 16)
    has_grey: bool = True
    has_alpha: bool = True
    longest_side: int | None = None
    check_photo: Callable[[Photo, Path, int], None] | None = None
    result_suffix: Callable[[Path], str] = own_suffix
    metadata: MetadataSpec = NOTHING_READ
    noise_difference: int = 0
    only_from: str = ""
    library: str = ""
    extra: str = ""

    @property
    def all_suffixes(self) -> tuple[str, ...]:
        """Suffixes of files that are read or written."""
        return self.suffixes + self.read_suffixes

    @property
    def is_available(self) -> bool:
        """Whether the library that it needs is installed."""
        return not self.library or find_spec(self.library) is not None

    @property
    def install_hint(self) -> str:
        """What to type where it is not."""
        return f'Install it: pip install "nsp-cli[{self.extra}]"'

    @property
    def is_written(self) -> bool:
        """Whether nsp writes this format."""
        return self.write is not None or self.write_lossy is not None
