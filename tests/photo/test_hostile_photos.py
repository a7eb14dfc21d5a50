"""Files that were made to harm end in one clear error, or in a result; quickly, and in little memory."""

from __future__ import annotations

import io
import os
import shutil
import socket
import stat
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fuzz.photo_seeds import photo_seeds
from PIL import Image

from nsp_cli.errors import InputError, OutputError
from nsp_cli.files import replacing
from nsp_cli.photo import Photo, camera_facts, read_photo, write_photo
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.metadata.tiff_layout import Layout, read_layout
from tests.counting import at_most_calls
from tests.streams import streamed

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
ORIENTATION, SOFTWARE = 274, 305


def photo(height: int = 6, width: int = 8, **facts: Any) -> Photo:
    random = np.random.default_rng(0)
    return Photo(random.integers(0, 256, (height, width, 3), dtype=np.uint8), **facts)


def png(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """Writes a small PNG with further chunks, all with the right checksums."""
    write_photo(photo(), path)
    data = path.read_bytes()
    extra = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(data[:33] + b"".join(extra) + data[33:])
    return path


def jpeg(path: Path, exif: bytes) -> Path:
    Image.fromarray(photo().pixels).save(path, exif=b"Exif\0\0" + exif)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_photo(path)
    assert caught.value.hint
    return caught.value.message


class TestWhatIsNoPlainFile:
    @posix
    def test_a_pipe_does_not_block(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "photo.jpg")
        assert "pipe, socket or device" in refusal(tmp_path / "photo.jpg")

    @posix
    def test_a_device_does_not_go_on_for_ever(self) -> None:
        assert "pipe, socket or device" in refusal(Path("/dev/zero"))

    @posix
    def test_a_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # a socket's path ends at 100 bytes
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("photo.jpg")
            assert "pipe, socket or device" in refusal(Path("photo.jpg"))

    @posix
    def test_a_link_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
        (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
        assert "cannot be opened" in refusal(tmp_path / "a.png")


class TestNames:
    @pytest.mark.parametrize("letter", ["n", "é", "写", "😀"])
    def test_of_255_bytes_are_written_and_read(self, tmp_path: Path, letter: str) -> None:
        path = tmp_path / (letter * (251 // len(letter.encode())) + ".png")
        write_photo(photo(), path)
        assert read_photo(path).width == 8
        assert [found.name for found in tmp_path.iterdir()] == [path.name]

    @pytest.mark.parametrize("suffix", [".png", "." + "x" * 200])
    def test_temporary_names_fit_whatever_the_name(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / ("😀" * ((255 - len(suffix)) // 4) + suffix)
        with replacing(path, overwrite=False) as file:
            (temporary,) = tmp_path.iterdir()
            file.write(b"x")
        assert len(temporary.name.encode()) <= 255
        assert path.read_bytes() == b"x"

    @pytest.mark.parametrize("length", [256, 5000])
    def test_too_long_ones_are_errors(self, tmp_path: Path, length: int) -> None:
        path = tmp_path / ("n" * length + ".png")
        refusal(path)
        with pytest.raises(OutputError):
            write_photo(photo(), path)

    def test_a_result_whose_name_would_be_too_long_gets_a_shorter_one(
        self, tmp_path: Path, run_nsp, tiny_weights
    ) -> None:
        path = tmp_path / ("n" * 251 + ".png")
        write_photo(photo(), path)
        run = run_nsp("denoise", path, "-m", tiny_weights)
        assert run.code == 0, run.err
        (result,) = {*tmp_path.glob("*.png")} - {path}
        assert result.name.endswith("_denoised.png")

    @posix
    @pytest.mark.skipif(sys.platform == "darwin", reason="APFS takes only Unicode")
    def test_that_are_no_text(self, tmp_path: Path, tiny_weights: Path) -> None:
        path = tmp_path / os.fsdecode(b"caf\xe9.png")
        write_photo(photo(), path)
        run = streamed("denoise", path, "-m", tiny_weights)
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip() == os.fsencode(path.with_name(os.fsdecode(b"caf\xe9_denoised.png")))


class TestPermissions:
    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """A folder of an ordinary user, for whom the tests run meanwhile: root may do anything."""
        if sys.platform == "win32":
            pytest.skip("POSIX permissions")
        folder = Path(tempfile.mkdtemp(dir="/tmp"))
        user = os.geteuid()
        if user == 0:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            shutil.rmtree(folder)

    def test_a_photo_that_may_not_be_read(self, place: Path) -> None:
        write_photo(photo(), place / "a.png")
        (place / "a.png").chmod(0)
        assert "Permission denied" in refusal(place / "a.png")

    def test_a_folder_that_may_not_be_entered(self, place: Path) -> None:
        write_photo(photo(), place / "a.png")
        place.chmod(0)
        assert "Permission denied" in refusal(place / "a.png")
        with pytest.raises(OutputError, match="Permission denied"):
            write_photo(photo(), place / "b.png")
        place.chmod(stat.S_IRWXU)

    def test_a_folder_that_may_not_be_written(self, place: Path) -> None:
        place.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(OutputError, match="Permission denied"):
            write_photo(photo(), place / "a.png")
        assert list(place.iterdir()) == []
        place.chmod(stat.S_IRWXU)


class TestBombs:
    def test_a_png_of_ten_gigapixels(self, tmp_path: Path) -> None:
        data = bytearray(png(tmp_path / "a.png").read_bytes())
        data[16:24] = struct.pack(">II", 100_000, 100_000)
        (tmp_path / "a.png").write_bytes(data)
        assert "1e+04 megapixels" in refusal(tmp_path / "a.png")

    def test_a_jpeg_of_four_gigapixels_with_nothing_in_it(self, tmp_path: Path) -> None:
        frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 65500, 65500, 3) + bytes(9)
        (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + frame + b"\xff\xd9")
        assert "megapixels" in refusal(tmp_path / "a.jpg")

    def test_a_jpeg_of_thousands_of_scans(self, tmp_path: Path) -> None:
        """Each costs a pass over the whole photo, and the file a few bytes."""
        data = photo_seeds("jpeg")[1]
        end = data.rindex(b"\xff\xda")
        (tmp_path / "a.jpg").write_bytes(data[:end] + data[end:-2] * 600 + data[-2:])
        assert "passes over one picture are not plausible" in refusal(tmp_path / "a.jpg")

    @pytest.mark.parametrize("behind", [b"\xff\xda" * 5000, b"\xff\xd8\xff\xda\0\2" * 5000])
    def test_what_follows_a_jpeg_is_not_counted(self, tmp_path: Path, behind: bytes) -> None:
        (tmp_path / "a.jpg").write_bytes(photo_seeds("jpeg")[1] + behind)  # as phones append a video
        assert read_photo(tmp_path / "a.jpg").width == 24

    @pytest.mark.parametrize("side", [65500, 2**24])
    def test_a_webp_canvas_with_nothing_on_it(self, tmp_path: Path, side: int) -> None:
        canvas = bytes(4) + (side - 1).to_bytes(3, "little") * 2
        body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas
        (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        assert "megapixels" in refusal(tmp_path / "a.webp")

    @pytest.mark.parametrize("name", [b"iCCP", b"iTXt"])
    def test_a_thousand_packed_chunks_are_not_all_unpacked(
        self, tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packed = zlib.compress(bytes(2**27))
        head = b"p\0\0" if name == b"iCCP" else b"XML:com.adobe.xmp\0\1\0\0\0"
        path = png(tmp_path / "a.png", *[(name, head + packed)] * 300)
        unpacked, unpack = [], zlib.decompressobj
        monkeypatch.setattr(zlib, "decompressobj", lambda: unpacked.append(1) or unpack())
        found = read_photo(path)
        assert len(unpacked) == 1
        assert (found.icc_profile, found.xmp) == (None, None)
        assert found.notes == (f"damaged PNG chunks not kept: {name.decode()}",)

    @pytest.mark.parametrize("kind", [3, 4])
    def test_a_tiff_with_four_thousand_million_strips(self, tmp_path: Path, kind: int) -> None:
        data = bytearray(tiff_bytes(photo().pixels, photometric="rgb"))
        row = entry_row(data, 273)
        struct.pack_into("<HI", data, row + 2, kind, 2**32 - 1)
        (tmp_path / "a.tif").write_bytes(data)
        refusal(tmp_path / "a.tif")

    def test_a_tiff_with_many_channels_counts_as_larger(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        settings = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [0] * 59}
        path.write_bytes(tiff_bytes(np.zeros((100, 100, 60), np.uint8), **settings))
        assert read_photo(path, max_megapixels=1).width == 100
        with pytest.raises(InputError, match="60 channels of 100 x 100"):
            read_photo(path, max_megapixels=0.1)

    def test_a_tiff_may_not_choose_any_decoder(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiff_bytes(photo(32, 32).pixels, photometric="rgb", compression="jpeg2000"))
        assert "compression JPEG2000, which is not supported" in refusal(path)

    def test_no_memory_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr("imagecodecs.png_decode", fail)
        assert "more memory than is available" in refusal(png(tmp_path / "a.png"))


class TestExif:
    def test_directories_that_contain_themselves(self, tmp_path: Path) -> None:
        """5,000 entries that point to their own directory: followed blindly, 5,000³ of them."""
        row = struct.pack("<HHII", ifd.EXIF_IFD, 4, 1, 8)
        block = b"II*\0" + struct.pack("<IH", 8, 5000) + row * 5000 + bytes(4)
        with at_most_calls(500_000):
            assert "EXIF is damaged and not kept" in read_photo(jpeg(tmp_path / "a.jpg", block)).notes
            ifd.read_block(block)

    def test_tags_that_share_one_long_value(self) -> None:
        rows = [struct.pack("<HHII", 1000 + number, 7, 50_000, 8) for number in range(3000)]
        block = b"II*\0" + struct.pack("<I", 60_000)
        block = block.ljust(60_000, b"x") + struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4)
        directory, _ = ifd.read_block(block)
        assert sum(len(entry.value) for entry in directory.entries) <= len(block)
        assert directory.entries
        assert directory.damaged

    def test_many_tags_are_packed_in_time(self) -> None:
        entries = [Entry(tag, 7, 200, bytes(200)) for tag in range(40_000)]
        # To copy bytes takes time but no calls. So this counts the processor's time, as no other test does.
        begin = time.thread_time()
        assert len(ifd.pack_block(Directory(entries), "<")) > 40_000 * 200
        assert time.thread_time() - begin < 5

    def test_directories_that_overlap_are_not_kept(self, tmp_path: Path) -> None:
        """Turning the photo would overwrite the count of the inner one, and writing would then fail."""
        rows = struct.pack("<HHII", ifd.EXIF_IFD, 4, 1, 26) + struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
        block = b"II*\0" + struct.pack("<IH", 8, 2) + rows + bytes(40_000)
        found = read_photo(jpeg(tmp_path / "a.jpg", block))
        assert found.notes == ("EXIF is damaged and not kept",)
        for suffix in (".jpg", ".png", ".tif", ".webp"):
            write_photo(found, tmp_path / f"b{suffix}")

    @pytest.mark.parametrize("dots", [2**32 - 1, 70_000])
    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
    def test_an_absurd_resolution_is_no_hindrance(self, tmp_path: Path, dots: int, suffix: str) -> None:
        fraction = struct.pack("<II", dots, 1)
        block = ifd.pack_block(Directory([Entry(282, 5, 1, fraction), Entry(283, 5, 1, fraction)]), "<")
        found = read_photo(jpeg(tmp_path / "a.jpg", block))
        write_photo(found, tmp_path / f"b{suffix}")
        assert read_photo(tmp_path / f"b{suffix}").pixels.shape == found.pixels.shape

    def test_control_characters_are_no_camera_name(self) -> None:
        block = ifd.pack_block(Directory([Entry(272, 2, 9, b"\x1b[31mX-1\0")]), "<")
        assert camera_facts(photo(exif=block)).camera == "[31mX-1"

    def test_values_of_another_type_are_no_speed(self) -> None:
        shot = Directory([Entry(34855, 2, 4, b"abc\0")])
        assert camera_facts(photo(exif=ifd.pack_block(Directory([], {ifd.EXIF_IFD: shot}), "<"))).iso is None


class TestFoundByFuzzing:
    @pytest.mark.parametrize("suffix", [".jpg", ".tif"])
    def test_a_damaged_cmyk_profile(self, tmp_path: Path, suffix: str) -> None:
        profile = b"\0" * 16 + b"CMYK" + b"\0" * 200
        Image.new("CMYK", (8, 8)).save(tmp_path / f"a{suffix}", icc_profile=profile)
        assert "colours are approximate" in read_photo(tmp_path / f"a{suffix}").notes[0]

    def test_a_damaged_grey_profile(self, tmp_path: Path) -> None:
        grey = Photo(
            np.full((4, 4, 3), 9, np.uint8), is_grey=True, icc_profile=b"\0" * 16 + b"GRAY" + bytes(99)
        )
        write_photo(grey, tmp_path / "a.webp", quality=100)
        assert read_photo(tmp_path / "a.webp").pixels.max() == 9

    def test_a_webp_header_without_content(self, tmp_path: Path) -> None:
        data = b"RIFF" + struct.pack("<I", 12) + b"WEBPVP8X" + struct.pack("<I", 0)
        (tmp_path / "a.webp").write_bytes(data)
        assert "cannot be read as WebP" in refusal(tmp_path / "a.webp")

    def test_a_camera_without_colour_filters(self, tmp_path: Path) -> None:
        data = bytearray(photo_seeds("dng")[2])
        struct.pack_into("<H", data, entry_row(data, 277) + 8, 1)  # one sample a pixel
        (tmp_path / "a.dng").write_bytes(data)
        found = read_photo(tmp_path / "a.dng")
        assert found.pixels.shape == (24, 32, 3)
        assert (found.pixels[:, :, 0] == found.pixels[:, :, 2]).all()

    def test_a_tiff_of_no_bits(self, tmp_path: Path) -> None:
        data = bytearray(tiff_bytes(photo().pixels[:, :, 0].copy(), photometric="minisblack"))
        struct.pack_into("<H", data, entry_row(data, 258) + 8, 0)
        (tmp_path / "a.tif").write_bytes(data)
        assert "0-bit" in refusal(tmp_path / "a.tif")

    @pytest.mark.parametrize("place", [24, 25, 26, 27, 28])
    def test_an_impossible_png_header_is_refused_before_libpng_prints(
        self, tmp_path: Path, place: int, capfd: pytest.CaptureFixture[str]
    ) -> None:
        data = bytearray(png(tmp_path / "a.png").read_bytes())
        data[place] = 9
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        (tmp_path / "a.png").write_bytes(data)
        assert "its header is not valid" in refusal(tmp_path / "a.png")
        assert capfd.readouterr() == ("", "")

    def test_many_damaged_tags_are_not_all_listed(self, tmp_path: Path) -> None:
        rows = [Entry(tag, 7, 8, bytes(8)) for tag in range(60_000, 60_500)]
        block = bytearray(photo_seeds("tiff")[2])
        start = struct.unpack_from("<I", block, 4)[0]
        directory = ifd.read_directory(io.BytesIO(block), read_layout(block)[0], start)
        place = len(block) + len(block) % 2
        packed = bytearray(
            ifd.pack_directory(Directory(directory.entries + rows), Layout("<", "H", "I"), place)
        )
        for row in range(2, 2 + 12 * (len(directory.entries) + len(rows)), 12):
            if struct.unpack_from("<H", packed, row)[0] >= 60_000:
                struct.pack_into("<I", packed, row + 8, 2**31)
        struct.pack_into("<I", block, 4, place)
        (tmp_path / "a.tif").write_bytes(bytes(block).ljust(place, b"\0") + packed)
        (note,) = read_photo(tmp_path / "a.tif").notes
        assert note.endswith("60006, 60007 and others")


def tiff_bytes(pixels: Any, **settings: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **settings)
    return file.getvalue()


def entry_row(data: bytearray, tag: int) -> int:
    """Returns where a tag's row begins in the first directory of a little-endian TIFF."""
    start = struct.unpack_from("<I", data, 4)[0]
    rows = range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12)
    return next(row for row in rows if struct.unpack_from("<H", data, row)[0] == tag)


class TestShapes:
    @pytest.mark.parametrize(("height", "width"), [(1, 100_000), (30_000, 1)])
    @pytest.mark.parametrize("model", ["tiny", "nsp-fast"])
    def test_a_line_is_denoised(
        self, tmp_path: Path, run_nsp, tiny_weights, height: int, width: int, model: str
    ) -> None:
        write_photo(photo(height, width), tmp_path / "a.png")
        run = run_nsp("denoise", tmp_path / "a.png", "-m", tiny_weights if model == "tiny" else model)
        assert run.code == 0, run.err
        back = read_photo(tmp_path / "a_denoised.png")
        assert (back.height, back.width) == (height, width)

    @pytest.mark.parametrize("bits", [8, 16])
    def test_noise_that_cannot_be_packed_fits_into_a_png(self, tmp_path: Path, bits: int) -> None:
        random = np.random.default_rng(0)
        dtype = np.uint8 if bits == 8 else np.uint16
        for number, shape in enumerate(((1, 1), (20_000, 1), (1, 20_000), (300, 300))):
            noise = Photo(random.integers(0, 2**bits, (*shape, 3), dtype=dtype))
            write_photo(noise, tmp_path / f"{number}.png")
            np.testing.assert_array_equal(read_photo(tmp_path / f"{number}.png").pixels, noise.pixels)
