"""Sound files that are unusual: read, or refused with the name of what is not supported."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_extras import PIXELS, chunk, copied, jpeg, segment
from test_heif_avif import DATA, changed
from test_metadata_survives import RECORD, resources

from nsp_cli.errors import InputError
from nsp_cli.photo import Provenance, read_photo, result_suffix, with_provenance, write_photo
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.heif_items import coding_of, has_alpha
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.metadata.tiff_layout import classic, header

SUFFIXES = (".jpg", ".png", ".tif", ".webp", ".avif")
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def interlaced(pixels: Any, colour: int, bits: int) -> bytes:
    """Makes an interlaced PNG as its specification says, without filtering."""
    rows = b""
    for left, top, across, down in PASSES:
        for row in pixels[top::down, left::across]:
            packed = np.packbits(row) if bits == 1 else row.astype(row.dtype.newbyteorder(">"))
            rows += b"\0" + packed.tobytes() if row.size else b""
    header = struct.pack(">II5B", pixels.shape[1], pixels.shape[0], bits, colour, 0, 0, 1)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (21, 34)])
@pytest.mark.parametrize(
    ("colour", "channels", "bits"), [(0, 1, 1), (0, 1, 8), (2, 3, 8), (2, 3, 16), (6, 4, 16)]
)
def test_interlaced_pngs_are_read(tmp_path: Path, size: Any, colour: int, channels: int, bits: int) -> None:
    dtype = np.uint16 if bits == 16 else np.uint8
    pixels = np.random.default_rng(0).integers(0, 2**bits, (*size, channels), dtype=dtype)
    (tmp_path / "a.png").write_bytes(interlaced(pixels, colour, bits))
    photo = read_photo(tmp_path / "a.png")
    shown = pixels * 255 if bits == 1 else pixels
    assert (photo.pixels == np.broadcast_to(shown[:, :, :3], (*size, 3))).all()
    assert photo.alpha is None if channels < 4 else (photo.alpha == pixels[:, :, 3]).all()


def test_an_interlaced_png_is_read_in_silence(tmp_path: Path) -> None:
    """In a process of its own, because libpng's words wait in a buffer until it ends."""
    (tmp_path / "a.png").write_bytes(interlaced(PIXELS, 2, 8))
    code = "import sys, pathlib, nsp_cli.photo as p; p.read_photo(pathlib.Path(sys.argv[1]))"
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, check=True)
    assert run.stdout + run.stderr == b""


def test_an_interlaced_png_that_is_cut_is_damaged(tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">II5B", 8, 8, 8, 2, 0, 0, 1))
    data = header + chunk(b"IDAT", zlib.compress(bytes(20))) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with pytest.raises(InputError, match="part of the picture"):
        read_photo(tmp_path / "a.png")


def test_several_pictures_in_a_jpeg_become_one(tmp_path: Path, run_nsp: Any, tiny_weights: Path) -> None:
    first, second = (Image.fromarray(PIXELS + value) for value in (0, 1))
    file = io.BytesIO()
    first.save(file, "MPO", save_all=True, append_images=[second])
    (tmp_path / "a.mpo").write_bytes(file.getvalue())
    assert result_suffix(tmp_path / "a.mpo") == ".jpg"
    run = run_nsp("denoise", tmp_path, "-m", tiny_weights)
    assert run.code == 0
    assert "further picture" in run.err
    assert (tmp_path / "a_denoised.jpg").exists()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_any_depth_in_a_tiff(tmp_path: Path, bits: int) -> None:
    indices = np.random.default_rng(0).integers(0, 2**bits, (16, 16), dtype=np.uint8)
    table = np.random.default_rng(1).integers(0, 256, (3, 2**bits)).astype("<u2") * 257
    rows = np.packbits(np.unpackbits(indices[:, :, None], axis=2)[:, :, -bits:].ravel()).tobytes()
    shorts = {256: 16, 257: 16, 258: bits, 259: 1, 262: 3, 277: 1, 278: 16, 273: 8, 279: len(rows)}
    entries = [Entry(tag, 3, 1, struct.pack("<H", value)) for tag, value in shorts.items()]
    entries.append(Entry(320, 3, table.size, table.tobytes()))
    start = 8 + len(rows)
    directory = ifd.pack_directory(Directory(entries), classic("<"), start)
    (tmp_path / "a.tif").write_bytes(header("<", start) + rows + directory)
    assert (read_photo(tmp_path / "a.tif").pixels == (table.T // 257)[indices]).all()


def test_a_tiff_that_does_not_say_what_its_pixels_mean(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", metadata=None)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(
        data.replace(struct.pack("<HHI", 262, 3, 1), struct.pack("<HHI", 263, 3, 1))
    )
    with pytest.raises(InputError, match="does not say what its pixels mean"):
        read_photo(tmp_path / "a.tif")


class TestHeif:
    def test_transparency_chooses_a_format_that_holds_it(self, tmp_path: Path) -> None:
        """The deep picture has alpha; told to be of 8 bits, it would have become a JPEG."""
        assert has_alpha(DATA / "deep.heic")
        assert not has_alpha(DATA / "turned.heic")
        shallow = changed("deep.heic", tmp_path / "a.heic", b"\x0a\x0a\x0a", b"\x08\x08\x08")
        assert result_suffix(shallow) == ".png"

    @pytest.mark.parametrize(
        ("coding", "name"), [(b"unci", "uncompressed"), (b"j2k1", "JPEG 2000"), (b"what", "what")]
    )
    def test_codings_that_are_not_supported_are_named(self, tmp_path: Path, coding: bytes, name: str) -> None:
        assert coding_of(DATA / "turned.heic") == b"hvc1"
        data = (DATA / "turned.heic").read_bytes()
        place = data.index(b"infe")
        place = data.index(b"hvc1", place)
        (tmp_path / "a.heic").write_bytes(data[:place] + coding + data[place + 4 :])
        with pytest.raises(InputError, match=name):
            read_photo(tmp_path / "a.heic")

    def test_a_picture_without_a_size(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="states the size"):
            read_photo(changed("turned.heic", tmp_path / "a.heic", b"ispe", b"isps"))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x10ftypmif3heic....", "mif3"),
        (b"\0\0\0\x10ftypmp42isom....", "video"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "JPEG 2000"),
    ],
)
def test_other_kinds_are_named(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_photo(tmp_path / "a.jpg")


def exif(**values: int) -> bytes:
    tags = {"x": 282, "y": 283}
    entries = [Entry(tags[name], 5, 1, struct.pack("<II", value, 1)) for name, value in values.items()]
    return ifd.pack_block(Directory(entries), "<")


class TestResolutions:
    """The written file's own check must not refuse them."""

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize(
        "values", [{}, {"x": 180, "y": 180}, {"y": 72}, {"x": 0, "y": 0}], ids=["none", "other", "y", "zero"]
    )
    @pytest.mark.parametrize("jfif", [(1, 72, 72), (2, 0, 0), (0, 1, 1), (1, 0, 72)])
    def test_are_written_whatever_they_are(
        self, tmp_path: Path, suffix: str, values: dict[str, int], jfif: tuple[int, int, int]
    ) -> None:
        source = jpeg(tmp_path / "a.jpg", segment(0xE1, b"Exif\0\0" + exif(**values)) if values else b"")
        data = source.read_bytes()
        source.write_bytes(data[:13] + struct.pack(">BHH", *jfif) + data[18:])
        assert copied(source, suffix)[1].left_out == ()
        copied((tmp_path / f"copy{suffix}").rename(tmp_path / f"b{suffix}"), ".png")


@pytest.mark.parametrize("length", [0, 2, 8])
def test_a_short_jfif_segment_is_ignored(tmp_path: Path, length: int) -> None:
    short = segment(0xE0, b"JFIF\0" + bytes(length))
    source = jpeg(tmp_path / "a.jpg", short)
    whole = read_photo(source).pixels
    data = source.read_bytes()
    source.write_bytes(data[:2] + short + data[20 + len(short) :])  # without the whole one
    assert (read_photo(source).pixels == whole).all()
    copied(source, ".jpg")


MALFORMED = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><open></rdf:RDF></x:xmpmeta>'


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_malformed_xmp_is_written_as_it_is(tmp_path: Path, suffix: str) -> None:
    source = jpeg(tmp_path / "a.jpg", segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + MALFORMED))
    photo = with_provenance(read_photo(source), Provenance("a", "b", "c", "d", "e"))
    assert "not recorded" in photo.notes[0]
    write_photo(photo, tmp_path / f"b{suffix}")
    assert read_photo(tmp_path / f"b{suffix}").xmp == MALFORMED


def test_iptc_in_two_segments(tmp_path: Path) -> None:
    head = b"Photoshop 3.0\0"
    other = RECORD.replace(b"one", b"ONE")
    block = b"8BIM\4\4\0\0" + struct.pack(">I", len(other)) + other + bytes(len(other) % 2)
    source = jpeg(tmp_path / "a.jpg", segment(0xED, head + resources()), segment(0xED, head + block))
    for suffix in SUFFIXES:
        copied(source, suffix)
