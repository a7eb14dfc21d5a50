"""The items beside the main picture of a HEIF are named by what they are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from nsp_cli.photo.metadata import heif_boxes
from nsp_cli.photo.metadata.blocks import LEFT, OUTDATED
from nsp_cli.photo.metadata.bmff import brands
from nsp_cli.photo.metadata.heif_items import has_alpha, heif_extras

ALPHA, DEPTH = b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:hevc:2015:auxid:2"
PICTURE, GRID = b"hvc1", b"grid"


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def heif(
    path: Path,
    kinds: Sequence[bytes],
    references: Sequence[tuple[bytes, int, int]],
    auxiliary: bytes = b"",
) -> Path:
    """Writes the boxes of a HEIF without pixels.

    Args:
        path: Where to.
        kinds: Of the items 1, 2, …; the first is the main picture.
        references: Kind, item that refers, and item that is referred to.
        auxiliary: What the last item is.
    """
    infos = b"".join(
        box(b"infe", struct.pack(">IHH4sx", 2 << 24, number, 0, kind)) for number, kind in enumerate(kinds, 1)
    )
    properties = box(b"ispe", struct.pack(">III", 0, 8, 8)) + box(b"auxC", bytes(4) + auxiliary + b"\0")
    last = len(kinds)
    links = b"".join(
        struct.pack(">HB", number, 2) + (b"\1\2" if number == last else b"\1\0")
        for number in range(1, last + 1)
    )
    parts = [
        box(b"pitm", struct.pack(">IH", 0, 1)),
        box(b"iinf", struct.pack(">IH", 0, last) + infos),
        box(b"iprp", box(b"ipco", properties) + box(b"ipma", struct.pack(">II", 0, last) + links)),
        box(
            b"iref", bytes(4) + b"".join(box(kind, struct.pack(">HHH", a, 1, b)) for kind, a, b in references)
        ),
    ]
    path.write_bytes(box(b"ftyp", b"heic") + box(b"meta", bytes(4) + b"".join(parts)))
    return path


def named(path: Path) -> list[tuple[str, str]]:
    return [(extra.kind, extra.name) for extra in heif_extras(path)]


@pytest.mark.parametrize(("flags", "bits"), [(0x00, 8), (0x20, 8), (0x40, 10), (0x60, 12)])
def test_depth_from_the_header_of_av1(flags: int, bits: int) -> None:
    """Some writers leave out pixi."""
    header = {b"av1C": bytes([0x81, 0, flags, 0])}
    assert heif_boxes._depth(header) == bits
    assert heif_boxes._depth({**header, b"pixi": bytes(4) + bytes([3, 9, 9, 9])}) == 9


@pytest.mark.parametrize("others", [(), (b"mif1",), (b"mif1", b"miaf", b"avif")])
def test_brands_of_a_file(others: tuple[bytes, ...]) -> None:
    head = box(b"ftyp", b"heic\0\0\0\1" + b"".join(others))
    assert brands(head + b"rest of the file") == {b"heic", *others}
    assert brands(head.replace(b"ftyp", b"free")) == set()


def test_a_thumbnail_is_named(tmp_path: Path) -> None:
    path = heif(tmp_path / "a.heic", [PICTURE, PICTURE], [(b"thmb", 2, 1)])
    assert named(path) == [(OUTDATED, "Thumbnail")]


def test_a_thumbnail_of_another_picture_is_a_picture(tmp_path: Path) -> None:
    path = heif(tmp_path / "a.heic", [PICTURE] * 3, [(b"thmb", 3, 2)])
    assert named(path) == [(LEFT, "a further picture")] * 2


@pytest.mark.parametrize("of", [1, 3])
def test_an_auxiliary_picture_of_the_grid_or_of_one_of_its_tiles(tmp_path: Path, of: int) -> None:
    kinds, tiles = [GRID, PICTURE, PICTURE, PICTURE], [(b"dimg", 1, 2), (b"dimg", 1, 3)]
    depth = heif(tmp_path / "a.heic", kinds, [*tiles, (b"auxl", 4, of)], DEPTH)
    assert named(depth) == [(LEFT, "a depth map")]
    assert not has_alpha(depth)
    alpha = heif(tmp_path / "b.heic", kinds, [*tiles, (b"auxl", 4, of)], ALPHA)
    assert named(alpha) == []
    assert has_alpha(alpha)


def test_an_auxiliary_picture_of_another_picture_is_a_picture(tmp_path: Path) -> None:
    path = heif(tmp_path / "a.heic", [PICTURE] * 3, [(b"auxl", 3, 2)], ALPHA)
    assert named(path) == [(LEFT, "a further picture")] * 2
    assert not has_alpha(path)
