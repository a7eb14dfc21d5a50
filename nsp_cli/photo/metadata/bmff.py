"""ISO base media files (HEIF and others, Canon's CR3) as boxes: a length, a four-letter kind, a body."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nsp_cli.photo.metadata.bounds import limited

_LONGEST = 2**26  # of a box of facts; a damaged length must not allocate gigabytes


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the kind and body of each box that `data` holds one after another.

    Raises:
        ValueError, struct.error: A box runs past the end, or there are too many.
    """
    return limited(_boxes(data), "boxes")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, place + 8)[0], 16
        if size == 0:  # to the end
            size = len(data) - place
        if size < head or place + size > len(data):
            raise ValueError(f"the box {kind!r} runs past the end")
        yield kind, data[place + head : place + size]
        place += size


def first_box(data: bytes, kind: bytes) -> bytes:
    """Returns the body of the first box of a kind; empty if there is none.

    Raises:
        ValueError, struct.error: A box before it runs past the end.
    """
    return next((body for name, body in boxes(data) if name == kind), b"")


def file_box(path: Path, kind: bytes) -> bytes:
    """Returns the body of a file's first top-level box of a kind, and reads none of the others.

    Raises:
        ValueError, struct.error: There is none, or it is damaged.
    """
    with path.open("rb") as file:
        for name, place, size in limited(file_boxes(file), "boxes"):
            if name == kind:
                if size > _LONGEST:
                    raise ValueError(f"a box of {size} bytes is not plausible")
                file.seek(place)
                return file.read(size)
    raise ValueError(f"the box {kind!r} is missing")


def file_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yields the kind of each top-level box, and the place and size of its body."""
    end, place = file.seek(0, io.SEEK_END), 0
    while place < end:
        file.seek(place)
        head = file.read(16)
        size, name = struct.unpack_from(">I4s", head)
        length = 8
        if size == 1:
            size, length = struct.unpack_from(">Q", head, 8)[0], 16
        size = size or end - place
        if size < length or place + size > end:
            raise ValueError(f"it ends inside the box {name!r}")
        yield name, place + length, size - length
        place += size


def brands(head: bytes) -> set[bytes]:
    """Kinds of file that the first box names; empty for other files.

    Args:
        head: The first bytes of a file. Brands beyond their end are not seen.
    """
    if head[4:8] != b"ftyp":
        return set()
    box = head[: int.from_bytes(head[:4], "big")]
    return {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
