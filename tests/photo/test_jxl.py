"""JPEG XL: 16 bits, profiles and metadata come back; what it cannot be is refused by name."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from test_extras import copied
from test_photo import XMP, camera_facts, make_exif

from nsp_cli.errors import InputError, OutputError
from nsp_cli.photo import Photo, check_writable, photo_size, read_photo, write_photo
from nsp_cli.photo.built_profile import Primaries, built_profile
from nsp_cli.photo.colour import display_p3_profile
from nsp_cli.photo.formats import spec as spec_module
from nsp_cli.photo.metadata.jxl_boxes import codestream_start, jxl_boxes, with_metadata
from nsp_cli.photo.metadata.jxl_header import JxlHeader, read_jxl_header

SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
LINEAR_GREY = built_profile("linear", SRGB, 1.0, is_grey=True)
HEIGHT, WIDTH = 40, 50
# Kinds of channels, and a depth, as a header has them: values, and their counts of bits.
ALPHA, BLACK = ((0, 2),), ((2, 2), (2, 4))
SIXTEEN_BITS = ((0, 1), (3, 2), (15, 6))


@pytest.fixture
def library() -> None:
    """Skips the test without OpenImageIO, which nsp runs in another process."""
    if find_spec("OpenImageIO") is None:
        pytest.skip("needs OpenImageIO")


def random_pixels(dtype: Any = np.uint16, channels: int = 3) -> Any:
    white = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, white, (HEIGHT, WIDTH, channels), dtype=dtype, endpoint=True)


def encoded(path: Path, pixels: Any, **options: Any) -> Path:
    """Writes a file as another program would."""
    path.write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=True, **options))
    return path


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def number_of(fields: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Values and their counts of bits as one number, the first value lowest, and its count of bits."""
    number = place = 0
    for value, count in fields:
        number |= value << place
        place += count
    return number, place


def packed(*fields: tuple[int, int]) -> bytes:
    """A codestream's header from values and their counts of bits."""
    number, count = number_of(fields)
    return b"\xff\x0a" + number.to_bytes(-(-count // 8), "little")


def premultiplied(pixels: Any) -> bytes:
    """A JPEG XL whose header says that alpha was multiplied in, which no encoder at hand writes."""
    data = imagecodecs.jpegxl_encode(pixels, lossless=True)
    # After five times 8 rows of 5:4, 8 bits, nothing unusual and one channel: that this channel is as usual.
    place, extra = 9 + 2 + 3 + 1 + 2, ((0, 1), *ALPHA, (0, 1), (0, 2), (0, 2), (0, 2), (1, 1))
    bits, (change, longer) = int.from_bytes(data[2:], "little"), number_of(extra)
    assert (bits >> place) & 1
    for end in range(3, 12):  # the header is filled up to a byte, and says nowhere how long it is
        head = bits & ((1 << 8 * end) - 1)
        made = head & ((1 << place) - 1) | change << place | head >> (place + 1) << (place + longer)
        changed = data[:2] + made.to_bytes(end + 2, "little").rstrip(b"\0") + data[2 + end :]
        with contextlib.suppress(ValueError, RuntimeError, imagecodecs.JpegxlError):
            if np.array_equal(imagecodecs.jpegxl_decode(changed), pixels):
                return changed
    raise AssertionError


class TestHeader:
    @pytest.mark.parametrize("size", [(40, 50), (8, 16), (300, 400), (512, 512), (9000, 3), (64, 40)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_size_and_depth(self, size: tuple[int, int], dtype: Any) -> None:
        data = imagecodecs.jpegxl_encode(np.zeros((*size, 3), dtype), lossless=True)
        expected = JxlHeader(size[1], size[0], bits=8 * np.dtype(dtype).itemsize)
        assert read_jxl_header(codestream_start(jxl_boxes(data))) == expected

    def test_a_turned_picture_with_a_preview(self) -> None:
        size = ((0, 1), (1, 2), (299, 13), (3, 3))  # 300 rows, 4:3
        turn = ((0, 1), (1, 1), (5, 3), (0, 1))  # not all as usual; orientation 6; no other size
        preview = ((1, 1), (1, 1), (2, 2), (7, 5), (1, 3))
        header = packed(*size, *turn, *preview, (0, 1), (0, 1), (2, 2), (0, 1), (0, 2))
        assert read_jxl_header(header) == JxlHeader(400, 300, orientation=6, bits=12)

    @pytest.mark.parametrize("kind", [ALPHA, BLACK])
    def test_a_channel_with_a_name(self, kind: tuple[tuple[int, int], ...]) -> None:
        """Its name is longer than the first part of a codestream, and comes before what alpha says."""
        name = ((3, 2), (2, 10), *[(65, 8)] * 50)
        extra = ((0, 1), *kind, (1, 1), (1, 2), (4, 4), (2, 2), *name, (1, 1))
        start = packed((1, 1), (4, 5), (1, 3), (0, 1), (0, 1), *SIXTEEN_BITS, (1, 1), (1, 2), *extra)
        parts = box(b"jxlp", bytes(4) + start[:6]) + box(b"jxlp", b"\x80\0\0\1" + start[6:])
        is_alpha = kind == ALPHA
        expected = JxlHeader(40, 40, 1, False, 16, False, 1, is_alpha, is_alpha)
        assert read_jxl_header(codestream_start(jxl_boxes(parts))) == expected

    @pytest.mark.parametrize("data", [b"", b"\xff\x0a", b"\xff\x0a\x01", b"\xff\xd8\xff"])
    def test_what_is_none(self, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"codestream|ends"):
            read_jxl_header(data)


class TestRefused:
    """Before anything is decoded."""

    @pytest.mark.parametrize(
        ("pixels", "options", "words"),
        [
            (np.zeros((2, 40, 50, 3), np.uint8), {}, "animation"),
            (np.zeros((40, 50, 3), np.uint16), {"bitspersample": 10}, "10-bit integers"),
            (np.zeros((40, 50, 3), np.float32), {}, "32-bit floating point"),
            (np.zeros((1100, 1000, 3), np.uint8), {}, "megapixels"),
        ],
        ids=["animation", "10 bits", "float", "large"],
    )
    def test_kinds(
        self, tmp_path: Path, monkeypatch: Any, pixels: Any, options: dict[str, Any], words: str
    ) -> None:
        monkeypatch.setattr(spec_module, "find_spec", lambda _: True)
        path = encoded(tmp_path / "a.jxl", pixels, **options)
        with pytest.raises(InputError, match=words):
            read_photo(path, max_megapixels=1)

    def test_without_the_library(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(spec_module, "find_spec", lambda _: None)
        path = encoded(tmp_path / "a.jpg", random_pixels())
        assert photo_size(path) == (WIDTH, HEIGHT)
        with pytest.raises(InputError, match="is a JPEG XL, which needs OpenImageIO") as caught:
            read_photo(path)
        assert 'pip install "nsp-cli[jxl]"' in str(caught.value.hint)
        with pytest.raises(OutputError, match="JPEG XL needs OpenImageIO"):
            check_writable(Photo(random_pixels()), tmp_path / "b.jxl")

    @pytest.mark.usefixtures("library")
    def test_damaged(self, tmp_path: Path) -> None:
        data = encoded(tmp_path / "a.jxl", random_pixels()).read_bytes()
        for part in (data[:2000], data[:40], data[:-900] + bytes(900)):
            (tmp_path / "a.jxl").write_bytes(part)
            with pytest.raises(InputError, match=r"cannot be read as JPEG XL: [^:]+\.$"):
                read_photo(tmp_path / "a.jxl")


@pytest.mark.usefixtures("library")
class TestWritten:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("profile", [None, display_p3_profile(), built_profile("linear", SRGB, 1.0)])
    @pytest.mark.parametrize("has_alpha", [False, True])
    def test_pixels_and_profile(
        self, tmp_path: Path, dtype: Any, profile: bytes | None, has_alpha: bool
    ) -> None:
        alpha = random_pixels(dtype, 1)[:, :, 0].copy() if has_alpha else None
        photo = Photo(random_pixels(dtype), alpha, icc_profile=profile)
        write_photo(photo, tmp_path / "a.jxl")
        found = read_photo(tmp_path / "a.jxl")
        assert (found.pixels == photo.pixels).all()
        assert found.icc_profile == profile
        assert alpha is None or (found.alpha == alpha).all()
        other = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
        assert (other[:, :, :3] == photo.pixels).all()

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("profile", [None, LINEAR_GREY], ids=["plain", "profile"])
    def test_grey(self, tmp_path: Path, dtype: Any, profile: bytes | None) -> None:
        photo = Photo(np.repeat(random_pixels(dtype, 1), 3, axis=2), is_grey=True, icc_profile=profile)
        write_photo(photo, tmp_path / "a.jxl")
        found = read_photo(tmp_path / "a.jxl")
        assert (found.pixels == photo.pixels).all()
        assert (found.is_grey, found.icc_profile) == (True, profile)

    def test_metadata_from_jpeg_and_back(self, tmp_path: Path) -> None:
        source = Photo(random_pixels(np.uint8), exif=make_exif("<", 1), xmp=XMP, dpi=(300.0, 300.0))
        write_photo(source, tmp_path / "a.jpg")
        target, written = copied(tmp_path / "a.jpg", ".jxl")
        assert written.left_out == ()
        found = read_photo(target)
        assert camera_facts(found.exif) == camera_facts(read_photo(tmp_path / "a.jpg").exif)
        assert found.dpi == (300.0, 300.0)
        back, written = copied(target, ".tif")
        assert written.left_out == ()
        assert read_photo(back).xmp == read_photo(tmp_path / "a.jpg").xmp


class TestRead:
    @pytest.mark.usefixtures("library")
    def test_lossy_pictures(self, tmp_path: Path) -> None:
        """Their pixels come in the colours that libjxl says, here sRGB."""
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        pixels = np.stack([5 * x, 6 * y, 2 * (x + y)], 2).astype(np.uint8)
        (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(pixels, distance=0.5))
        found = read_photo(tmp_path / "a.jxl")
        assert found.icc_profile is None
        assert np.abs(found.pixels.astype(int) - pixels).mean() < 2

    @pytest.mark.usefixtures("library")
    @pytest.mark.parametrize("channels", [2, 4], ids=["grey", "RGB"])
    def test_transparency_of_other_programs(self, tmp_path: Path, channels: int) -> None:
        """Also where alpha was multiplied in, which only the header says."""
        pixels = random_pixels(np.uint8, channels)
        pixels[:, :, -1] |= 128
        pixels[:, :, :-1] = np.minimum(pixels[:, :, :-1], pixels[:, :, -1:])
        (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
        found = read_photo(tmp_path / "a.jxl")
        assert (found.pixels == pixels[:, :, :-1]).all()
        assert (found.alpha == pixels[:, :, -1]).all()
        (tmp_path / "a.jxl").write_bytes(premultiplied(pixels))
        found = read_photo(tmp_path / "a.jxl")
        expected = pixels[:, :, :-1] * (255 / pixels[:, :, -1:])
        assert np.abs(found.pixels - expected).max() <= 0.51
        assert (found.alpha == pixels[:, :, -1]).all()

    @pytest.mark.usefixtures("library")
    def test_compressed_boxes_and_what_is_left(self, tmp_path: Path) -> None:
        path = encoded(tmp_path / "a.jxl", random_pixels())
        exif = box(b"brob", b"Exif" + imagecodecs.brotli_encode(bytes(4) + make_exif("<", 6)))
        xmp = box(b"brob", b"xml " + imagecodecs.brotli_encode(XMP))
        path.write_bytes(path.read_bytes() + exif + xmp + box(b"jumb", b"c2pa") + box(b"jhgm", b"map"))
        target, written = copied(path, ".png")
        assert written.left_out == ("content credentials (JUMBF), a gain map not kept",)
        found = read_photo(target)
        assert (found.pixels == random_pixels()).all()  # the codestream alone says how it is turned
        assert camera_facts(found.exif) == camera_facts(make_exif("<", 1)) | {"size": (WIDTH, HEIGHT)}

    def test_a_bomb_in_a_compressed_box(self, tmp_path: Path) -> None:
        data = encoded(tmp_path / "a.jxl", random_pixels()).read_bytes()
        bomb = box(b"brob", b"xml " + imagecodecs.brotli_encode(bytes(2**27)))
        with pytest.raises(ValueError, match="decompressed"):
            jxl_boxes(data + bomb)

    def test_new_metadata_replaces_the_encoders(self, tmp_path: Path) -> None:
        data = encoded(tmp_path / "a.jxl", random_pixels()).read_bytes() + box(b"xml ", b"<old/>")
        made = dict(jxl_boxes(with_metadata(data, b"II*\0", b"<new/>")))
        assert (made[b"Exif"], made[b"xml "]) == (b"\0\0\0\0II*\0", b"<new/>")
