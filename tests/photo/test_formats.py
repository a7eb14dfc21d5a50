"""The registry of formats, what follows from it, and the formats that hold pixels and nothing else."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_photo import XMP, make_exif, make_photo

from nsp_cli.errors import InputError, OutputError
from nsp_cli.photo import Photo, photo_size, read_photo, to_bit_depth, write_photo
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.formats import NAMES, FileFormat
from nsp_cli.photo.formats.registry import SPECS, recognised
from nsp_cli.photo.formats.table import detail_table, tick_table

ROOT = Path(__file__).parents[2]
PLAIN = [".bmp", ".pnm", ".ppm"]


class TestRegistry:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_module_defines_the_format_of_its_name(self, name: str) -> None:
        spec = import_module(f"nsp_cli.photo.formats.{name}").SPEC
        assert SPECS[name] is spec
        assert spec.name == name
        assert spec.suffixes == tuple(suffix.lower() for suffix in spec.suffixes)
        assert all((spec.label, spec.readable, spec.writable, spec.not_kept))

    def test_formats_to_choose_are_those_that_are_written(self) -> None:
        assert {spec.name for spec in SPECS.values() if spec.is_written} == {
            each.value for each in FileFormat
        }

    def test_a_format_is_lossy_or_lossless(self) -> None:
        assert not [spec.name for spec in SPECS.values() if spec.write and spec.write_lossy]

    @pytest.mark.parametrize("spec", [spec for spec in SPECS.values() if spec.is_written and spec.read])
    def test_what_is_written_is_recognised(self, tmp_path: Path, spec) -> None:
        if not spec.is_available:
            pytest.skip(f"needs {spec.library}")
        path = tmp_path / f"a{spec.suffixes[0]}"
        write_photo(to_bit_depth(make_photo(8), max(spec.depths)), path)
        path.rename(tmp_path / "no suffix")
        assert recognised(tmp_path / "no suffix") is spec
        assert photo_size(tmp_path / "no suffix") == (7, 5)

    def test_two_formats_share_a_suffix_only_if_one_is_read_and_the_other_written(self) -> None:
        for suffix in {suffix for spec in SPECS.values() for suffix in spec.suffixes}:
            owners = [spec for spec in SPECS.values() if suffix in spec.suffixes]
            assert len([spec for spec in owners if spec.is_written]) <= 1, suffix
            assert len([spec for spec in owners if spec.read]) <= 1, suffix

    def test_the_documentation_shows_the_tables(self) -> None:
        assert tick_table() in (ROOT / "README.md").read_text(encoding="utf-8")
        page = (ROOT / ".github" / "docs" / "formats.md").read_text(encoding="utf-8")
        assert detail_table() in page


@pytest.mark.parametrize("suffix", PLAIN)
class TestPixelsAlone:
    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (5, 3), (33, 18)])
    @pytest.mark.parametrize("is_grey", [False, True])
    def test_pixels_come_back(
        self, tmp_path: Path, suffix: str, size: tuple[int, int], is_grey: bool
    ) -> None:
        for bits in SPECS[recognised_name(suffix)].depths:
            whole = make_photo(bits, is_grey=is_grey)
            photo = whole.with_pixels(
                np.resize(whole.pixels[:, :, :1] if is_grey else whole.pixels, (*size, 3))
            )
            if is_grey:
                photo = photo.with_pixels(np.repeat(photo.pixels[:, :, :1], 3, axis=2))
            path = tmp_path / f"{bits}{suffix}"
            write_photo(photo, path)
            back = read_photo(path)
            np.testing.assert_array_equal(back.pixels, photo.pixels)
            assert (back.bit_depth, back.is_grey, back.alpha, back.notes) == (bits, is_grey, None, ())
            assert photo_size(path) == size[::-1]

    def test_pillow_reads_the_same_pixels(self, tmp_path: Path, suffix: str) -> None:
        photo = make_photo(8)
        write_photo(photo, tmp_path / f"a{suffix}")
        with Image.open(tmp_path / f"a{suffix}") as image:
            np.testing.assert_array_equal(np.asarray(image), photo.pixels)

    def test_transparency_is_refused_and_opaque_alpha_dropped(self, tmp_path: Path, suffix: str) -> None:
        with pytest.raises(OutputError, match="cannot hold transparency") as caught:
            write_photo(make_photo(8, has_alpha=True), tmp_path / f"a{suffix}")
        assert "png" in caught.value.hint
        assert recognised_name(suffix) not in caught.value.hint
        opaque = make_photo(8).with_pixels(make_photo(8).pixels, np.full((5, 7), 255, np.uint8))
        write_photo(opaque, tmp_path / f"a{suffix}")
        assert read_photo(tmp_path / f"a{suffix}").alpha is None

    def test_metadata_that_is_not_kept_is_named(self, tmp_path: Path, suffix: str) -> None:
        facts = {"exif": make_exif(), "xmp": XMP % 1, "icc_profile": srgb_profile()}
        write_photo(make_photo(8, **facts), tmp_path / "a.png")
        written = write_photo(read_photo(tmp_path / "a.png"), tmp_path / f"b{suffix}")
        (note,) = written.left_out
        label = SPECS[recognised_name(suffix)].label
        assert note == f"Exif, GPS, MakerNote, XMP, ICC profile not kept: {label} has no place for this"
        again = write_photo(read_photo(tmp_path / f"b{suffix}"), tmp_path / f"c{suffix}")
        assert again.left_out == ()

    @pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9, 0.99])
    def test_a_truncated_file_is_an_error(self, tmp_path: Path, suffix: str, share: float) -> None:
        path = tmp_path / f"a{suffix}"
        write_photo(make_photo(8), path)
        data = path.read_bytes()
        path.write_bytes(data[: 3 + int((len(data) - 6) * share)])
        with pytest.raises(InputError, match="cannot be read as"):
            read_photo(path)

    def test_large_photos_are_refused_before_they_are_decoded(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        write_photo(Photo(np.zeros((1000, 1500, 3), np.uint8)), path)
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(InputError, match=r"1.5 megapixels \(1500 x 1000\)"):
            read_photo(path, max_megapixels=1)

    def test_random_damage_never_escapes_as_a_foreign_error(self, tmp_path: Path, suffix: str) -> None:
        path, random = tmp_path / f"a{suffix}", np.random.default_rng(3)
        write_photo(make_photo(8), path)
        data = path.read_bytes()
        for _ in range(300):
            damaged = bytearray(data)
            for _ in range(3):
                damaged[random.integers(2, 60)] = random.integers(256)
            path.write_bytes(damaged[: random.integers(2, len(data))] if random.random() < 0.3 else damaged)
            try:
                read_photo(path, max_megapixels=16)
            except InputError as error:
                assert error.hint  # noqa: PT017


def recognised_name(suffix: str) -> str:
    """Name of the format that a suffix belongs to."""
    return next(spec.name for spec in SPECS.values() if suffix in spec.suffixes)


class TestBmp:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
    def test_kinds_of_pixels(self, tmp_path: Path, mode: str) -> None:
        random = np.random.default_rng(1)
        image = Image.fromarray(random.integers(0, 256, (6, 9, 3), dtype=np.uint8)).convert(mode)
        image.save(tmp_path / "a.bmp")
        photo = read_photo(tmp_path / "a.bmp")
        np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))
        assert photo.is_grey == (mode in ("1", "L"))
        assert photo.notes == (("palette converted to RGB",) if mode == "P" else ())

    def test_alpha_and_profile_of_a_version_5_header_are_read(self, tmp_path: Path) -> None:
        pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
        profile, size = srgb_profile(), pixels.nbytes
        header = struct.pack("<IiiHHIIiiII", 124, 3, -2, 1, 32, 3, size, 0, 0, 0, 0)
        header += struct.pack("<4I", 0xFF, 0xFF00, 0xFF0000, 0xFF000000) + b"DEBM" + bytes(36 + 12 + 4)
        header += struct.pack("<III", 124 + size, len(profile), 0)
        file = struct.pack("<2sIII", b"BM", 14 + 124 + size + len(profile), 0, 14 + 124)
        (tmp_path / "a.bmp").write_bytes(file + header + pixels.tobytes() + profile)
        photo = read_photo(tmp_path / "a.bmp")
        np.testing.assert_array_equal(photo.pixels, pixels[:, :, :3])
        np.testing.assert_array_equal(photo.alpha, pixels[:, :, 3])
        assert photo.icc_profile == profile

    def test_resolution_is_kept(self, tmp_path: Path) -> None:
        written = write_photo(make_photo(8, dpi=(300.0, 150.0)), tmp_path / "a.bmp")
        # A header counts whole dots per metre.
        assert read_photo(tmp_path / "a.bmp").dpi == pytest.approx((300.0, 150.0), abs=0.02)
        assert written.left_out == ()

    def test_sixteen_bits_and_four_gigabytes_are_refused(self, tmp_path: Path) -> None:
        from nsp_cli.photo import check_writable

        with pytest.raises(OutputError, match="BMP cannot hold 16 bits"):
            write_photo(make_photo(16), tmp_path / "a.bmp")
        with pytest.raises(OutputError, match="a BMP cannot be larger than 4 GB"):
            check_writable(make_photo(8), tmp_path / "a.bmp", scale=10_000)


class TestPnm:
    @pytest.mark.parametrize("magic", [b"P2", b"P3", b"P5", b"P6"])
    @pytest.mark.parametrize("white", [1, 15, 100, 255, 256, 1023, 4095, 65535])
    def test_every_kind_and_every_white(self, tmp_path: Path, magic: bytes, white: int) -> None:
        channels = 3 if magic in (b"P3", b"P6") else 1
        values = np.random.default_rng(white).integers(0, white + 1, (5, 7, channels))
        values[0, 0], values[-1, -1] = 0, white
        if magic in (b"P2", b"P3"):
            body = " ".join(map(str, values.ravel())).encode().replace(b" ", b"\n", 3) + b" # the end\n"
        else:
            body = values.astype(">u2" if white > 255 else "u1").tobytes()
        path = tmp_path / "a"
        path.write_bytes(magic + b" # a comment\n#another\n7\t5\n" + str(white).encode() + b"\n" + body)
        photo, top = read_photo(path), 255 if white < 256 else 65535
        wanted = np.broadcast_to(np.floor(values * top / white + 0.5), (5, 7, 3))
        np.testing.assert_array_equal(photo.pixels, wanted)
        assert (photo.format, photo.is_grey, photo_size(path)) == ("pnm", channels == 1, (7, 5))

    def test_lines_of_a_header_may_end_in_two_characters(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
        pixels[0, 0, 0] = 10  # a line feed, which is a pixel's value where the file has no spare byte
        (tmp_path / "a").write_bytes(b"P6\r\n7 5\r\n255\r\n" + pixels.tobytes())
        (tmp_path / "b").write_bytes(b"P6\r\n7 5\r\n255\r" + pixels.tobytes())
        for name in "ab":
            np.testing.assert_array_equal(read_photo(tmp_path / name).pixels, pixels)

    @pytest.mark.parametrize("suffix", [".ppm", ".pnm"])
    def test_sixteen_bits_keep_all_levels(self, tmp_path: Path, suffix: str) -> None:
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        write_photo(Photo(np.dstack((ramp, ramp[::-1], ramp.T))), tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(read_photo(tmp_path / f"a{suffix}").pixels[:, :, 0], ramp)

    def test_a_pgm_is_grey(self, tmp_path: Path) -> None:
        grey = make_photo(16, is_grey=True)
        write_photo(grey, tmp_path / "a.pgm")
        assert (tmp_path / "a.pgm").read_bytes().startswith(b"P5\n7 5\n65535\n")
        np.testing.assert_array_equal(read_photo(tmp_path / "a.pgm").pixels, grey.pixels)
        with pytest.raises(OutputError, match="a PGM holds grey only"):
            write_photo(make_photo(16), tmp_path / "b.pgm")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"P6\n2 2\n0\n" + bytes(12), "is out of range"),
            (b"P6\n2 2\n65536\n" + bytes(24), "is out of range"),
            (b"P6\n2 2\n255\n" + bytes(11), "ends after 22 of 23 bytes"),
            (b"P5\n2 2\n100\n" + b"e" * 4, "values above its white"),
            (b"P2\n2 2\n100\n1 2 3 101", "values above its white"),
            (b"P2\n2 2\n100\n1 2 3 -1", "negative"),
            (b"P2\n2 2\n100\n1 2 3", "3 of 4 values"),
            (b"P2\n2 2\n100\n1 2 3 4 5", "5 of 4 values"),
            (b"P2\n2 2\n100\n1 2 3 four", "not a number"),
            (b"P6\n2 x\n255\n" + bytes(12), "header is damaged"),
            (b"P6\n-2 2\n255\n" + bytes(12), "header is damaged"),
            (b"P6\n2 2", "header is damaged"),
            (b"P6\n" + b"9" * 5000 + b" 2\n255\n", "header is damaged"),
            (b"P6" + b"#\n" * 50_000 + b"2 2\n255\n" + bytes(12), "header is damaged"),
        ],
    )
    def test_hostile_files_are_one_clear_error(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "a.ppm").write_bytes(content)
        with pytest.raises(InputError, match=f"cannot be read as PNM: .*{reason}"):
            read_photo(tmp_path / "a.ppm")

    @pytest.mark.parametrize("size", [b"0 5", b"5 0", b"999999999 999999999"])
    def test_no_pixels_and_too_many_are_refused(self, tmp_path: Path, size: bytes) -> None:
        (tmp_path / "a.ppm").write_bytes(b"P6\n" + size + b"\n255\n" + bytes(100))
        with pytest.raises(InputError, match=r"megapixels|declares [05] x [05] pixels"):
            read_photo(tmp_path / "a.ppm")

    def test_several_pictures_are_refused(self, tmp_path: Path) -> None:
        write_photo(make_photo(8), tmp_path / "a.ppm")
        (tmp_path / "a.ppm").write_bytes((tmp_path / "a.ppm").read_bytes() * 2)
        with pytest.raises(InputError, match="several pictures"):
            read_photo(tmp_path / "a.ppm")

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"P7\nWIDTH 2\n", "is a PAM file"),
            (b"P1\n2 2\n0 1 1 0", "is a PBM file"),
            (b"P4\n2 2\n\0", "is a PBM file"),
            (b"Pf\n2 2\n-1\n", "is a PFM file"),
            (b"P6XYZ", "is not a photo"),
        ],
    )
    def test_other_magic_numbers_are_no_pnm(self, tmp_path: Path, content: bytes, what: str) -> None:
        (tmp_path / "a.pnm").write_bytes(content)
        with pytest.raises(InputError, match=what):
            read_photo(tmp_path / "a.pnm")
