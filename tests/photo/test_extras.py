"""Every block of a file is kept, left out on purpose, or named, whatever it is."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from test_metadata_survives import RECORD, packet, resources
from test_photo import make_exif

from nsp_cli.errors import OutputError
from nsp_cli.photo import Photo, Written, read_photo, write_photo
from nsp_cli.photo.colour import display_p3_profile

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
SUFFIXES = (".jpg", ".png", ".tif", ".webp", ".avif", ".bmp", ".ppm")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(path: Path, *chunks: bytes, after: bytes = b"") -> Path:
    write_photo(Photo(PIXELS), path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:] + after)
    return path


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(path: Path, *segments: bytes, after: bytes = b"") -> Path:
    Image.fromarray(PIXELS).save(path, "JPEG", quality=100, subsampling=0)
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"".join(segments) + data[20:] + after)
    return path


def chunks_of(path: Path) -> list[tuple[bytes, bytes]]:
    """Reads a PNG's chunks as its specification says, and checks their sums."""
    data, place, found = path.read_bytes(), 8, []
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + size]
        assert data[place : place + 12 + size] == chunk(name, body)
        found.append((name, body))
        place += 12 + size
    return found


def copied(source: Path, suffix: str) -> tuple[Path, Written]:
    target = source.with_name(f"copy{suffix}")
    return target, write_photo(read_photo(source), target, overwrite=True)


TEXTS = {
    b"tEXt": b"Title\0Caf\xe9",
    b"zTXt": b"Description\0\0" + zlib.compress(b"long " * 500),
    b"iTXt": b"Author\0\1\0\0\0" + zlib.compress("写真".encode()),
}


class TestPng:
    def test_keeps_its_texts(self, tmp_path: Path) -> None:
        source = png(tmp_path / "a.png", *(chunk(*text) for text in TEXTS.items()))
        target, written = copied(source, ".png")
        with Image.open(target) as image:
            assert isinstance(image, PngImagePlugin.PngImageFile)
            assert image.text == {"Title": "Café", "Description": "long " * 500, "Author": "写真"}
        assert written.left_out == ()

    def test_keeps_several_texts_of_one_keyword_and_languages(self, tmp_path: Path) -> None:
        with_language = b"Title\0\0\0fr\0Titre\0Bonjour"
        texts = [(b"tEXt", b"Title\0one"), (b"tEXt", b"Title\0two"), (b"iTXt", with_language)]
        target, _ = copied(png(tmp_path / "a.png", *(chunk(*text) for text in texts)), ".png")
        assert set(texts) <= set(chunks_of(target))

    @pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".png"])
    def test_names_texts_that_another_format_cannot_hold(self, tmp_path: Path, suffix: str) -> None:
        source = png(tmp_path / "a.png", chunk(b"tEXt", b"Title\0x"), chunk(b"tEXt", b"Copyright\0y"))
        _, written = copied(source, suffix)
        assert "text Title, Copyright not kept" in written.left_out[0]

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            (b"tEXt", b"\0without a keyword"),
            (b"tEXt", b"K" * 80 + b"\0long keyword"),
            (b"iTXt", bytes(5) + "写".encode()),
        ],
    )
    def test_keeps_texts_whose_keyword_is_not_allowed(self, tmp_path: Path, name: bytes, body: bytes) -> None:
        target, written = copied(png(tmp_path / "a.png", chunk(name, body)), ".png")
        assert (name, body) in chunks_of(target)
        assert written.left_out == ()
        left = copied(tmp_path / "a.png", ".jpg")[1].left_out
        assert left == (f"PNG chunk {name.decode()} not kept: JPEG has no place for this",)

    @pytest.mark.parametrize("body", [b"U\0\0\0\0\0" + "写\0写\0".encode(), b"U\0\0\0\0\0\0"])
    def test_zeros_in_a_text_become_spaces(self, tmp_path: Path, body: bytes) -> None:
        source = png(tmp_path / "a.png", chunk(b"iTXt", body), chunk(b"tEXt", b"V\0a\0b\0"))
        target, written = copied(source, ".png")
        assert written.left_out == ()
        assert (b"tEXt", b"V\0a b") in chunks_of(target)

    @pytest.mark.parametrize("others", [(), (b"short",)])
    def test_names_a_comment_that_is_too_long_for_a_jpeg(
        self, tmp_path: Path, others: tuple[bytes, ...]
    ) -> None:
        texts = [chunk(b"tEXt", b"Comment\0" + text) for text in (b"x" * 65534, *others)]
        target, written = copied(png(tmp_path / "a.png", *texts), ".jpg")
        assert written.left_out == ("comment not kept: JPEG has no place for this",)
        assert all(segment(0xFE, text) in target.read_bytes() for text in others)
        fitting = png(tmp_path / "b.png", chunk(b"tEXt", b"Comment\0" + b"x" * 65533 + b"\0"))
        assert copied(fitting, ".jpg")[1].left_out == ()

    def test_keeps_colour_chunks_time_and_the_shape_of_pixels(self, tmp_path: Path) -> None:
        kept = [
            (b"gAMA", struct.pack(">I", 45455)),
            (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
            (b"tIME", struct.pack(">HBBBBB", 2026, 1, 2, 3, 4, 5)),
            (b"mDCV", bytes(range(24))),
            (b"cLLI", bytes(range(8))),
            (b"pHYs", struct.pack(">IIB", 2, 3, 0)),
            (b"prVt", b"a program's own, safe to copy"),
        ]
        target, written = copied(png(tmp_path / "a.png", *(chunk(*each) for each in kept)), ".png")
        assert set(kept) <= set(chunks_of(target))
        assert written.left_out == ()

    def test_names_what_it_must_not_copy(self, tmp_path: Path) -> None:
        """The fourth letter is in upper case, so the chunk may depend on the pixels."""
        source = png(tmp_path / "a.png", chunk(b"caBX", b"signed"), chunk(b"sBIT", b"\5\6\5"))
        target, written = copied(source, ".png")
        assert written.left_out == ("PNG chunk caBX not kept",)
        assert any("sBIT" in text for text in written.changed)
        assert {b"caBX", b"sBIT"}.isdisjoint(name for name, _ in chunks_of(target))

    def test_names_what_follows_its_end(self, tmp_path: Path) -> None:
        _, written = copied(png(tmp_path / "a.png", after=b"something else"), ".png")
        assert written.left_out == ("data of an unknown kind after the picture (14 bytes) not kept",)
        assert copied(png(tmp_path / "b.png", after=bytes(9)), ".png")[1].left_out == ()


def hidden(kind: str, data: bytes) -> bytes:
    """Makes a text chunk as ImageMagick does."""
    digits = data.hex()
    lines = "\n".join(digits[place : place + 72] for place in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(data):8}\n{lines}\n".encode()
    return chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text))


class TestHiddenProfiles:
    def test_are_read_and_turn_the_picture(self, tmp_path: Path) -> None:
        exif = make_exif("<", 6)
        parts = [
            hidden("exif", b"Exif\0\0" + exif),
            hidden("iptc", resources()),
            hidden("xmp", packet(one="1")),
            hidden("icc", display_p3_profile()),
        ]
        photo = read_photo(png(tmp_path / "a.png", *parts))
        assert (photo.height, photo.width) == (8, 6)
        assert (photo.xmp, photo.icc_profile) == (packet(one="1"), display_p3_profile())
        _, written = copied(tmp_path / "a.png", ".jpg")
        assert written.left_out == ()
        with Image.open(tmp_path / "copy.jpg") as image:
            assert image.getexif()[271] == "Maker X"
            assert image.info["photoshop"][0x0404] == RECORD

    @pytest.mark.parametrize("kind", ["APP1", "app1"])
    def test_in_a_segment(self, tmp_path: Path, kind: str) -> None:
        xmp = b"http://ns.adobe.com/xap/1.0/\0" + packet(one="1")
        assert read_photo(png(tmp_path / "a.png", hidden(kind, xmp))).xmp == packet(one="1")

    @pytest.mark.parametrize("kind", ["iptc", "8bim", "APP13"])
    @pytest.mark.parametrize("prefix", [b"", b"Photoshop 3.0\0"])
    def test_of_iptc_as_a_jpeg_has_it(self, tmp_path: Path, kind: str, prefix: bytes) -> None:
        photo = read_photo(png(tmp_path / "a.png", hidden(kind, prefix + resources())))
        assert (photo.resources, photo.notes) == (resources(), ())
        write_photo(photo, tmp_path / "b.jpg")
        assert read_photo(tmp_path / "b.jpg").resources == resources()

    def test_of_iptc_alone(self, tmp_path: Path) -> None:
        copied(png(tmp_path / "a.png", hidden("iptc", RECORD)), ".jpg")
        with Image.open(tmp_path / "copy.jpg") as image:
            assert image.info["photoshop"][0x0404] == RECORD

    def test_that_repeat_a_chunk_are_no_loss_and_others_are_named(self, tmp_path: Path) -> None:
        exif = make_exif()
        same = png(tmp_path / "a.png", chunk(b"eXIf", exif), hidden("exif", b"Exif\0\0" + exif))
        assert copied(same, ".png")[1].left_out == ()
        other = png(tmp_path / "b.png", chunk(b"eXIf", exif), hidden("exif", make_exif("<", 3)))
        assert copied(other, ".tif")[1].left_out == ("a second block of EXIF not kept",)

    @pytest.mark.parametrize("is_first", [False, True])
    def test_come_after_the_chunk_whatever_the_order_in_the_file(
        self, tmp_path: Path, is_first: bool
    ) -> None:
        own, other = make_exif("<", 1), make_exif("<", 3)
        parts = [chunk(b"eXIf", own), hidden("exif", other)]
        photo = read_photo(png(tmp_path / "a.png", *(parts[::-1] if is_first else parts)))
        assert photo.exif == own

    def test_that_are_damaged_are_named(self, tmp_path: Path) -> None:
        text = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n      99\nffff\n")
        assert "zTXt" in read_photo(png(tmp_path / "a.png", chunk(b"zTXt", text))).notes[0]

    def test_that_would_fill_the_memory_are_left_out(self, tmp_path: Path) -> None:
        bomb = b"Title\0\0" + zlib.compress(bytes(2**25))
        photo = read_photo(png(tmp_path / "a.png", *[chunk(b"zTXt", bomb)] * 50))
        assert sum(len(extra.content) for extra in photo.extras) <= 2**26
        assert "zTXt" in photo.notes[0]


class TestJpeg:
    def test_keeps_comments_and_segments(self, tmp_path: Path) -> None:
        parts = [
            segment(0xFE, b"one \xe9\0"),
            segment(0xFE, "写".encode()),
            segment(0xE1, b"FLIR\0heat"),
            segment(0xE3, b"Meta\0\0k"),
            segment(0xEC, b"Ducky\0\1"),
        ]
        target, written = copied(jpeg(tmp_path / "a.jpg", *parts), ".jpg")
        assert all(part in target.read_bytes() for part in parts)
        assert written.left_out == ()

    def test_comments_become_texts_and_come_back(self, tmp_path: Path) -> None:
        target, written = copied(jpeg(tmp_path / "a.jpg", segment(0xFE, "é 写".encode() + b"\0")), ".png")
        assert written.left_out == ()
        with Image.open(target) as image:
            assert isinstance(image, PngImagePlugin.PngImageFile)
            assert image.text == {"Comment": "é 写"}
        write_photo(read_photo(target), tmp_path / "b.jpg")
        assert segment(0xFE, "é 写".encode()) in (tmp_path / "b.jpg").read_bytes()

    @pytest.mark.parametrize("content", [b"AppleMark\n\0\0\1\2\0", b"\0\xff\0\xfe\x1f", b"\0"])
    def test_comments_of_any_bytes_become_texts(self, tmp_path: Path, content: bytes) -> None:
        source = jpeg(tmp_path / "a.jpg", segment(0xFE, content))
        for suffix in (".png", ".jpg"):
            assert copied(source, suffix)[1].left_out == ()
        assert segment(0xFE, content) in (tmp_path / "copy.jpg").read_bytes()

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_names_what_has_no_place(self, tmp_path: Path, suffix: str) -> None:
        source = jpeg(tmp_path / "a.jpg", segment(0xFE, b"words"), segment(0xE3, b"Meta\0\0k"))
        (left,) = copied(source, suffix)[1].left_out or ("",)
        assert ("comment" in left) == (suffix not in (".jpg", ".png"))
        assert ("JPEG segment APP3 Meta" in left) == (suffix != ".jpg")

    def test_signatures_of_the_pixels_are_named(self, tmp_path: Path) -> None:
        target, written = copied(jpeg(tmp_path / "a.jpg", segment(0xEB, b"JP\0\1 jumb c2pa")), ".jpg")
        assert written.left_out == ("content credentials (C2PA) not kept",)
        assert b"c2pa" not in target.read_bytes()

    def test_a_further_packet_of_xmp_is_named(self, tmp_path: Path) -> None:
        head = b"http://ns.adobe.com/xap/1.0/\0"
        parts = [segment(0xE1, head + packet(one="1")), segment(0xE1, head + packet(one="2"))]
        assert copied(jpeg(tmp_path / "a.jpg", *parts), ".jpg")[1].left_out == (
            "a further XMP packet not kept",
        )

    @pytest.mark.parametrize(
        ("after", "name"),
        [
            (b"data AXS!12345678", "AFCP"),
            (b"data SEFT", "Samsung's data"),
            (b"data ....\xa1\xb2\xc3\xd4", "FotoStation's data"),
            (b"\0\0data", "data of an unknown kind"),
        ],
    )
    def test_trailers_are_named(self, tmp_path: Path, after: bytes, name: str) -> None:
        assert copied(jpeg(tmp_path / "a.jpg", after=after), ".tif")[1].left_out == (
            f"{name} after the picture ({len(after)} bytes) not kept",
        )

    @pytest.mark.parametrize("after", [b"\0\xff\r\n", b"\xff\xd9", b"\0\xff\xd9\0\0"])
    def test_padding_is_nothing(self, tmp_path: Path, after: bytes) -> None:
        parts = [
            segment(marker, bytes(size)) for marker, size in ((0xE5, 0), (0xE1, 0), (0xEB, 9), (0xEF, 9))
        ]
        for suffix in (".jpg", ".png"):
            assert copied(jpeg(tmp_path / "a.jpg", *parts, after=after), suffix)[1].left_out == ()


LOSSES: dict[str, Callable[[Photo], Photo]] = {
    "Title": lambda photo: replace(photo, extras=photo.extras[1:]),
    "tIME": lambda photo: replace(photo, extras=(photo.extras[0], photo.extras[2])),
    "X: comment.": lambda photo: replace(photo, extras=photo.extras[:2]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_at_reading_is_caught(tmp_path: Path, name: str) -> None:
    parts = [chunk(b"tEXt", b"Title\0x"), chunk(b"tIME", bytes(7)), chunk(b"tEXt", b"Comment\0x")]
    source = png(tmp_path / "a.png", *parts)
    with pytest.raises(OutputError, match=re.escape(name.replace("X", str(source)))):
        write_photo(LOSSES[name](read_photo(source)), tmp_path / "b.png")


def test_unknown_chunks_of_a_webp_are_named(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.webp", lossless=True)
    data = (tmp_path / "a.webp").read_bytes() + b"NEWS" + struct.pack("<I", 2) + b"!!"
    (tmp_path / "a.webp").write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert copied(tmp_path / "a.webp", ".png")[1].left_out == ("WebP chunk NEWS not kept",)


def test_further_pages_of_a_tiff_are_named(tmp_path: Path) -> None:
    small, mask = PIXELS[:2, :2], PIXELS[:, :, 0] > 99
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PIXELS, photometric="rgb", metadata=None, subifds=1)
        file.write(PIXELS, photometric="rgb", metadata=None)
        file.write(small, photometric="rgb", subfiletype=1, metadata=None)
        file.write(mask, photometric="minisblack", subfiletype=4, metadata=None)
    _, written = copied(tmp_path / "a.tif", ".tif")
    assert set(written.left_out[0].removesuffix(" not kept").split(", ")) == {"a further picture", "a mask"}
    assert any("Thumbnail" in text for text in written.changed)


def test_comments_of_a_pnm_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6\n# by hand\n1 1\n255\nabc" + b"more")
    (left,) = copied(tmp_path / "a.ppm", ".png")[1].left_out
    assert "a comment" in left
    assert "after the picture (4 bytes)" in left


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_what_follows_the_pixels_of_a_bmp_is_named(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.bmp"
    Image.fromarray(PIXELS).convert(mode).save(path)
    data = path.read_bytes()
    assert copied(path, ".png")[1].left_out == ()
    (tmp_path / "copy.png").unlink(missing_ok=True)
    path.write_bytes(data + b"more of it")
    assert copied(path, ".png")[1].left_out == (
        "data of an unknown kind after the picture (10 bytes) not kept",
    )


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_the_transfer_function_of_a_tiff_is_named(tmp_path: Path, suffix: str) -> None:
    curve = tuple(round(65535 * (step / 255) ** 1.8) for step in range(256)) * 3
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", metadata=None, extratags=[(301, 3, 768, curve, True)])
    assert copied(path, suffix)[1].left_out == ("the transfer function not kept",)
