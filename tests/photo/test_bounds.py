"""Loops and endless lists in files are refused after a small, counted amount of work."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from raw_files import scene, write_raw

from nsp_cli.errors import InputError
from nsp_cli.photo import Photo, read_photo, write_photo
from nsp_cli.photo.formats import apart
from nsp_cli.photo.formats.raw_checks import check_complete
from nsp_cli.photo.metadata import heif_boxes, ifd
from nsp_cli.photo.metadata.attached import attached_extras
from nsp_cli.photo.metadata.bmff import boxes, file_box
from nsp_cli.photo.metadata.bounds import MOST_BLOCKS, directory_chain
from nsp_cli.photo.metadata.heif_boxes import read_picture_facts
from nsp_cli.photo.metadata.heif_items import heif_extras
from nsp_cli.photo.metadata.jpeg_segments import walk
from nsp_cli.photo.metadata.tiff_layout import classic
from tests.counting import at_most_calls

DATA = Path(__file__).parents[1] / "data"
MANY = MOST_BLOCKS + 1


def pages(path: Path, count: int) -> list[int]:
    """Writes a TIFF of several pages; returns the places of its directories."""
    with tifffile.TiffWriter(path) as file:
        for _ in range(count):
            file.write(np.zeros((4, 4, 3), np.uint8), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        return [page.offset for page in tiff.pages]


def linked_tiff(path: Path, count: int, link: int | None) -> Path:
    """Writes a TIFF of several pages, whose last directory links to a page by number, or to a place."""
    places = pages(path, count)
    data = bytearray(path.read_bytes())
    (rows,) = struct.unpack_from("<H", data, places[-1])
    struct.pack_into("<I", data, places[-1] + 2 + 12 * rows, 10**9 if link is None else places[link])
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("count", "back_to"), [(1, 0), (3, 0), (3, 1), (3, 2)])
def test_directories_that_form_a_loop(tmp_path: Path, count: int, back_to: int) -> None:
    path = linked_tiff(tmp_path / "a.tif", count, back_to)
    with pytest.raises(InputError, match="form a loop"), at_most_calls(50_000):
        read_photo(path)


@pytest.mark.parametrize("rows", [0, 4000])
def test_directories_that_overlap_without_end(tmp_path: Path, rows: int) -> None:
    """Each begins a few bytes after the one before, and shares its rows."""
    table = struct.pack("<H", rows) + bytes(12 * rows)
    step, count = 8, 2000
    data = bytearray(b"II*\0" + struct.pack("<I", 8) + bytes(step * count) + table * 2)
    for number in range(count):
        place = 8 + step * number
        struct.pack_into("<H", data, place, rows)
        if (link := place + 2 + 12 * rows) + 4 <= len(data):
            struct.pack_into("<I", data, link, place + step)
    (tmp_path / "a.tif").write_bytes(data)
    with at_most_calls(100_000), pytest.raises(InputError):
        read_photo(tmp_path / "a.tif")


def test_pages_that_share_one_long_value(tmp_path: Path) -> None:
    """Reading it once for each of them would take gigabytes."""
    long, count = 2**20, 200
    row = struct.pack("<HHII", 254, 4, 1, 1) + struct.pack("<HHII", 270, 2, long, 8)
    first, size = 8 + long, 2 + len(row) + 4
    directories = b"".join(
        struct.pack("<H", 2) + row + struct.pack("<I", first + size * number if number < count else 0)
        for number in range(1, count + 1)
    )
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", first) + bytes(long) + directories)
    with (tmp_path / "a.tif").open("rb") as file:
        assert len(directory_chain(file)) == count
        frugal = ifd.Frugal(file)
        layout = classic("<")
        read = [ifd.read_directory(frugal, layout, first + size * number) for number in range(count)]
    assert sum(len(entry.value) for directory in read for entry in directory.entries) < 2 * long


@pytest.mark.parametrize(("count", "is_plausible"), [(16, True), (17, False)])
def test_directories_with_more_rows_than_any_program_writes(
    tmp_path: Path, count: int, is_plausible: bool
) -> None:
    rows, size = 4000, 2 + 12 * 4000 + 4
    links = [8 + size * (number + 1) for number in range(count - 1)] + [0]
    tables = (struct.pack("<H", rows) + bytes(12 * rows) + struct.pack("<I", link) for link in links)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(tables))
    with (tmp_path / "a.tif").open("rb") as file:
        if is_plausible:
            assert len(directory_chain(file)) == count
            return
        with pytest.raises(ValueError, match="68000 tags are not plausible"):
            directory_chain(file)


@pytest.mark.parametrize(("kind", "code"), [(1, "B"), (3, "H"), (4, "I"), (13, "I"), (16, "Q"), (18, "Q")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_whole_numbers_of_every_type(order: str, kind: int, code: str) -> None:
    value = struct.pack(f"{order}3{code}", 1, 2, 200)
    block = ifd.pack_block(ifd.Directory([ifd.Entry(330, kind, 3, value)]), order)
    directory, layout = ifd.read_block(block)
    assert ifd.numbers(directory, layout.order, 330) == (1, 2, 200)


def test_the_chain_of_a_sound_file(tmp_path: Path) -> None:
    wanted = pages(tmp_path / "a.tif", 3)
    with (tmp_path / "a.tif").open("rb") as file:
        assert directory_chain(file) == wanted


def test_a_link_out_of_the_file_ends_the_chain(tmp_path: Path) -> None:
    assert read_photo(linked_tiff(tmp_path / "a.tif", 1, None)).height == 4


def many_segments(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path, "JPEG")
    path.write_bytes(b"\xff\xd8" + b"\xff\xfe\0\2" * MANY + path.read_bytes()[2:])


def many_png_chunks(path: Path) -> None:
    write_photo(Photo(np.zeros((8, 8, 3), np.uint8)), path)
    data = path.read_bytes()
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    path.write_bytes(data[:-12] + empty * (2**20 + 1) + data[-12:])


def many_webp_chunks(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path, "WEBP")
    data = path.read_bytes() + struct.pack("<4sI", b"none", 0) * MANY
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


def many_boxes(path: Path) -> None:
    head = (DATA / "turned.heic").read_bytes()[:64]
    size = int.from_bytes(head[:4], "big")
    path.write_bytes(head[:size] + struct.pack(">I4s", 8, b"free") * MANY)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jpg", many_segments),
        ("a.png", many_png_chunks),
        ("a.webp", many_webp_chunks),
        ("a.heic", many_boxes),
    ],
)
def test_more_parts_than_any_program_writes(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match="not plausible"):
        read_photo(tmp_path / name)


def test_boxes_and_segments_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not plausible"):
        list(boxes(struct.pack(">I4s", 8, b"free") * MANY))
    with pytest.raises(ValueError, match="not plausible"):
        list(walk(b"\xff\xd8" + b"\xff\xfe\0\2" * MANY))
    (tmp_path / "a").write_bytes(struct.pack(">I4s", 8, b"free") * 9 + struct.pack(">I4s", 9, b"meta") + b"!")
    assert file_box(tmp_path / "a", b"meta") == b"!"


def test_extents_that_take_no_bytes(tmp_path: Path) -> None:
    """An item may have 65,535 of them, and a file of 16 MB two million such items."""
    data = (DATA / "turned.heic").read_bytes()
    start = data.index(b"iloc") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    count = (size - 16) // 6
    items = b"".join(struct.pack(">HHH", number, 0, 65535) for number in range(count))
    # Version 0 with offsets and lengths of no bytes.
    table = (b"\0\0\0\0" + b"\0\0" + struct.pack(">H", count) + items).ljust(size - 8, b"\0")
    path = tmp_path / "a.heic"
    path.write_bytes(data[: start + 8] + table + data[start + size :])
    with at_most_calls(2_000_000), pytest.raises(ValueError, match="extents"):
        read_picture_facts(path)


def test_items_without_any_extent() -> None:
    """A table of 64 MB has ten million of them."""
    table = b"\0\0\0\0" + b"\x44\0" + struct.pack(">H", 65535) + bytes(6 * 65535)
    assert len(heif_boxes._places(table)) == 1
    wide = b"\2\0\0\0" + b"\x44\0" + struct.pack(">I", MANY) + bytes(10 * MANY)
    with pytest.raises(ValueError, match="items and extents are not plausible"):
        heif_boxes._places(wide)


@pytest.mark.parametrize(("indices", "rows"), [(1, MANY), (255, 300)])
def test_items_with_properties_end(indices: int, rows: int) -> None:
    """A table of 64 MB has sixteen million of them, which took 22 s."""
    described = box(b"ipco", box(b"ispe", bytes(12)))
    table = (
        bytes(4) + struct.pack(">I", 2**32 - 1) + (struct.pack(">HB", 1, indices) + b"\1" * indices) * rows
    )
    with at_most_calls(3_000_000), pytest.raises(ValueError, match="properties of items are not plausible"):
        heif_boxes.item_properties(described + box(b"ipma", table), 5)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def with_references(path: Path, chain: int, thumbnails: int) -> Path:
    """Writes the boxes of a picture whose thumbnails are all made of one chain of items."""

    def reference(kind: bytes, owner: int, to: int) -> bytes:
        return box(kind, struct.pack(">HHH", owner, 1, to))

    links = b"".join(reference(b"dimg", number, number + 1) for number in range(2, 2 + chain))
    small = b"".join(reference(b"thmb", 2, 1) for _ in range(thumbnails))
    described = box(b"ipco", b"") + box(b"ipma", struct.pack(">IIHB", 0, 1, 1, 0))
    parts = box(b"pitm", struct.pack(">IH", 0, 1)) + box(b"iprp", described)
    path.write_bytes(
        box(b"ftyp", b"heic") + box(b"meta", bytes(4) + parts + box(b"iref", bytes(4) + links + small))
    )
    return path


def test_references_are_followed_once(tmp_path: Path) -> None:
    path = with_references(tmp_path / "a.heic", 2400, 2400)
    with at_most_calls(500_000):
        assert len(heif_extras(path)) == 2400


def test_more_references_than_any_program_writes(tmp_path: Path) -> None:
    path = with_references(tmp_path / "a.heic", 10, 5000)
    with pytest.raises(ValueError, match="references are not plausible"):
        heif_extras(path)


def test_references_to_more_items_than_any_program_writes(tmp_path: Path) -> None:
    """Each may name 65,535 of them, which would fill gigabytes with numbers."""
    path = with_references(tmp_path / "a.heic", 1, 1)
    data = path.read_bytes()
    start = data.index(b"iref") - 4
    many = box(b"dimg", struct.pack(">HH", 1, 65535) + bytes(2 * 65535))
    table = box(b"iref", bytes(4) + many * 2)
    meta = data.index(b"meta") - 4
    path.write_bytes(data[:meta] + box(b"meta", data[meta + 8 : start] + table))
    with pytest.raises(ValueError, match="refer to are not plausible"):
        heif_extras(path)


def test_pictures_without_end_behind_a_jpeg() -> None:
    """Copying the rest for each of them would take a minute."""
    picture = b"\xff\xd8\xff\xfe\0\2\xff\xd9"
    trailer = (picture + bytes(20)) * 100_000 + b"!"
    with at_most_calls(20_000):
        extras = attached_extras(trailer)
    assert len(extras) == 101
    assert sum(len(extra.content) for extra in extras) == len(trailer) - 20 * 99  # padding


def test_a_heic_decoder_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_SECONDS", 0.01)
    with pytest.raises(InputError, match="too long"):
        read_photo(DATA / "grey.heic")


def test_a_heic_decoder_ends_with_nsp() -> None:
    """The system closes the pipe."""
    code = (
        "import threading, time, nsp_cli.photo.formats.apart as d;"
        "threading.Thread(target=d._wait_for_end, daemon=True).start(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) != 0


class TestRaw:
    def test_that_was_cut_off_is_refused(self, tmp_path: Path) -> None:
        path = write_raw(tmp_path / "a.dng", scene())
        data = path.read_bytes()
        with tifffile.TiffFile(path) as tiff:
            start, size = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
        # The directory comes first, so that LibRaw reads the file, and the last tenth of the pixels is cut.
        moved = bytearray(data + bytes(-len(data) % 2) + data[start : start + size])
        place = moved.rindex(struct.pack("<HHII", 273, 4, 1, start)) + 8
        struct.pack_into("<I", moved, place, len(moved) - size)
        path.write_bytes(moved)
        read_photo(path)
        path.write_bytes(moved[: -size // 10])
        with pytest.raises(InputError, match="ends after"):
            read_photo(path)

    @pytest.mark.parametrize(("tag", "value"), [(257, 97), (278, 95), (278, 1)])
    def test_whose_strips_do_not_cover_it_is_refused(self, tmp_path: Path, tag: int, value: int) -> None:
        with tifffile.TiffFile(write_raw(tmp_path / "a.dng", scene()), mode="r+b") as tiff:
            tiff.pages[0].tags[tag].overwrite(value)
        with pytest.raises(InputError, match="lacks parts"):
            read_photo(tmp_path / "a.dng")

    @pytest.mark.parametrize(
        ("photometric", "planar", "shape", "count"),
        [
            ("cfa", None, (40, 50), 6),
            ("linear_raw", "contig", (40, 50, 3), 6),
            ("linear_raw", "separate", (3, 40, 50), 18),
        ],
    )
    def test_whose_tiles_do_not_cover_it_is_not_whole(
        self, tmp_path: Path, photometric: Any, planar: Any, shape: tuple[int, ...], count: int
    ) -> None:
        pixels, path = np.zeros(shape, np.uint16), tmp_path / "a.dng"
        tifffile.imwrite(path, pixels, photometric=photometric, planarconfig=planar, tile=(16, 32))
        check_complete(path)
        data = path.read_bytes()
        whole, less = (struct.pack("<HHI", 324, 4, number) for number in (count, count - 1))
        path.write_bytes(data.replace(whole, less))
        with pytest.raises(ValueError, match="lacks parts"):
            check_complete(path)

    @pytest.mark.parametrize("light", [0.0, 0.0005])
    def test_that_comes_out_black_is_refused(self, tmp_path: Path, light: float) -> None:
        with pytest.raises(InputError, match="black"):
            read_photo(write_raw(tmp_path / "a.dng", np.full((96, 96, 3), light)))

    @pytest.mark.parametrize("black", [0, 512])
    def test_noise_around_black_is_read_and_values_below_it_are_refused(
        self, tmp_path: Path, black: int
    ) -> None:
        """No pixel of this shot with the lens cap on is hot."""
        noise = np.random.default_rng(0).normal(0, 3, (96, 96, 1)).repeat(3, 2)
        shot = np.clip(black + noise, 0, None) / 65535
        levels = [(50714, 4, 1, black, True), (50717, 4, 1, 16383, True)]
        assert read_photo(write_raw(tmp_path / "a.dng", shot, levels=levels)).pixels.max() > 0
        if black:
            below = write_raw(tmp_path / "b.dng", shot - 15 / 65535, levels=levels)
            with pytest.raises(InputError, match="black"):
                read_photo(below)

    def test_that_is_dark_is_read(self, tmp_path: Path) -> None:
        dark = np.zeros((96, 96, 3))
        dark[40:50, 40:50] = 0.01
        assert read_photo(write_raw(tmp_path / "a.dng", dark)).pixels.max() > 0
