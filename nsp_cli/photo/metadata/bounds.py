"""Limits for everything in a file that goes on until it says that it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeVar

from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.tiff_layout import read_layout

MOST_BLOCKS = 2**16
"""Far above what any program writes; walking over as many takes a fraction of a second."""
_MOST_DIRECTORIES, _MOST_ROWS = 1000, 2**16

_T = TypeVar("_T")


def limited(blocks: Iterable[_T], name: str, most: int = MOST_BLOCKS) -> Iterator[_T]:
    """Passes blocks on, but not without end.

    Args:
        blocks: Of any kind.
        name: What they are, for the message, in the plural.
        most: How many are plausible.

    Raises:
        ValueError: There are more.
    """
    for number, block in enumerate(blocks):
        if number >= most:
            raise ValueError(f"more than {most} {name} are not plausible")
        yield block


def check_count(count: int, name: str) -> None:
    """Refuses tables of more rows than any program writes.

    Args:
        count: How many rows were read, or are about to be.
        name: What they are, for the message, in the plural.

    Raises:
        ValueError: They are more than `MOST_BLOCKS`.
    """
    if count > MOST_BLOCKS:
        raise ValueError(f"more than {MOST_BLOCKS} {name} are not plausible")


def directory_chain(stream: BinaryIO) -> list[int]:
    """Returns the places of a TIFF's directories, each of which links to the next.

    The chain ends where a link leads out of the file.

    Raises:
        ValueError, struct.error: This is no TIFF, its links form a loop, or reading all these directories
            would take very long.
    """
    stream.seek(0)
    layout, place = read_layout(stream.read(16))
    places: dict[int, None] = {}
    rows = 0
    while place:
        if place in places:
            raise ValueError("its directories form a loop")
        try:
            count, following = ifd.read_link(stream, layout, place)
        except ifd.IFD_ERRORS:
            break
        places[place], place = None, following
        rows += count
        if len(places) > _MOST_DIRECTORIES or rows > _MOST_ROWS:
            raise ValueError(f"more than {len(places) - 1} directories with {rows} tags are not plausible")
    return list(places)
