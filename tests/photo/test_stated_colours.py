"""Colours are what a colour-managed program shows, by one rule for all formats."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from test_extras import PIXELS, chunk, chunks_of, jpeg, png, segment
from test_photo import make_exif

from nsp_cli.errors import InputError
from nsp_cli.photo import Photo, read_photo, write_photo
from nsp_cli.photo.built_profile import Primaries, built_profile
from nsp_cli.photo.colour import display_p3_profile, srgb_pixels, srgb_profile
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.stated_colours import StatedColours, adobe_rgb_profile, profile_of

SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
ADOBE = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
WIDE = Primaries((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))
SUFFIXES = (".jpg", ".png", ".tif", ".webp", ".avif")


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100_000 / value)))


def chromaticities(primaries: Primaries) -> bytes:
    points = (primaries.white, *primaries[:3])
    return chunk(
        b"cHRM", struct.pack(">8I", *(round(100_000 * number) for point in points for number in point))
    )


def light(point: tuple[float, float]) -> Any:
    return np.array([point[0] / point[1], 1, (1 - point[0] - point[1]) / point[1]])


def in_srgb(values: Any, primaries: Primaries, exponent: float) -> Any:
    """Converts (N, 3) values in [0, 1] by the textbook: all primaries here share sRGB's white."""

    def to_xyz(each: Primaries) -> Any:
        columns = np.stack([light(point) for point in each[:3]], axis=1)
        return columns * np.linalg.solve(columns, light(each.white))

    linear = np.clip(values**exponent @ (np.linalg.inv(to_xyz(SRGB)) @ to_xyz(primaries)).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def shown(values: Any, profile: bytes) -> Any:
    """Converts (N, 3) uint8 to sRGB as LittleCMS does."""
    source, target = (ImageCms.ImageCmsProfile(io.BytesIO(data)) for data in (profile, srgb_profile()))
    image = ImageCms.profileToProfile(Image.fromarray(values[None]), source, target, outputMode="RGB")
    assert image is not None
    return np.asarray(image)[0]


def exif_of(space: int, rule: bytes = b"R03\0") -> bytes:
    interop = Directory([Entry(1, 2, 4, rule)])
    shot = Directory([Entry(40961, 3, 1, struct.pack("<H", space))], {ifd.INTEROP_IFD: interop})
    return ifd.pack_block(Directory([], {ifd.EXIF_IFD: shot}), "<")


@pytest.mark.parametrize(("primaries", "exponent"), [(SRGB, 1.0), (ADOBE, 563 / 256), (WIDE, 2.4)])
def test_a_built_profile_shows_the_colours(primaries: Primaries, exponent: float) -> None:
    values = np.random.default_rng(0).integers(0, 256, (200, 3), dtype=np.uint8)
    wanted = 255 * in_srgb(values / 255, primaries, exponent)
    inside = (wanted > 1).all(1) & (wanted < 254).all(1)  # what is outside of sRGB is clipped in other ways
    profile = built_profile("a test", primaries, exponent)
    np.testing.assert_allclose(shown(values, profile)[inside], wanted[inside], atol=1.6)
    assert inside.sum() > 40
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip() == "a test"


def test_a_built_grey_profile_and_nonsense() -> None:
    grey = np.arange(20, 256, 5, dtype=np.uint8)  # LittleCMS is coarse in darker ones
    profile = ImageCms.ImageCmsProfile(io.BytesIO(built_profile("grey", SRGB, 1.0, is_grey=True)))
    target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    image = ImageCms.profileToProfile(Image.fromarray(grey[None]), profile, target, outputMode="RGB")
    assert image is not None
    wanted = 255 * in_srgb(np.repeat(grey[:, None] / 255, 3, 1), SRGB, 1.0)
    np.testing.assert_allclose(np.asarray(image)[0], wanted, atol=1.6)
    line = Primaries((0.3, 0.3), (0.4, 0.4), (0.2, 0.2))
    for nonsense in (line, SRGB._replace(white=(0.3, 0.0))):
        with pytest.raises(ValueError, match=r"line|no light"):
            built_profile("nonsense", nonsense, 1.0)


class TestPng:
    def test_linear_and_other_primaries_stay_as_they_were(self, tmp_path: Path) -> None:
        source = png(tmp_path / "a.png", gamma(1), chromaticities(ADOBE))
        write_photo(read_photo(source), tmp_path / "b.png")
        names = [name for name, _ in chunks_of(tmp_path / "b.png")]
        assert {b"gAMA", b"cHRM"} <= set(names)
        assert b"iCCP" not in names

    @pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".png"])
    def test_get_a_profile_elsewhere(self, tmp_path: Path, suffix: str) -> None:
        source = png(tmp_path / "a.png", gamma(2.2), chromaticities(WIDE))
        written = write_photo(read_photo(source), tmp_path / f"b{suffix}")
        assert written.left_out == ()
        profile = read_photo(tmp_path / f"b{suffix}").icc_profile
        values = PIXELS.reshape(-1, 3)
        wanted = 255 * in_srgb(values / 255, WIDE, 2.2)
        inside = (wanted > 1).all(1) & (wanted < 254).all(1)
        found = shown(values, profile or b"")[inside]  # sRGB's curve stands for a gamma of 2.2
        assert np.abs(found.astype(float) - wanted[inside]).mean() < 3

    def test_srgb_in_other_words_is_srgb(self, tmp_path: Path) -> None:
        for number, words in enumerate(
            ([gamma(2.2), chromaticities(SRGB)], [chunk(b"sRGB", b"\0")], [chunk(b"cICP", b"\1\15\0\1")])
        ):
            photo = read_photo(png(tmp_path / f"{number}.png", *words))
            assert photo.icc_profile is None
            assert write_photo(photo, tmp_path / f"{number}.tif").left_out == ()

    def test_the_order_of_the_rule(self, tmp_path: Path) -> None:
        p3, adobe = chunk(b"cICP", bytes([12, 13, 0, 1])), chunk(b"eXIf", exif_of(0xFFFF))
        assert read_photo(png(tmp_path / "a.png", p3, gamma(1))).icc_profile == display_p3_profile()
        assert read_photo(png(tmp_path / "b.png", adobe)).icc_profile == adobe_rgb_profile()
        linear = read_photo(png(tmp_path / "c.png", adobe, gamma(1))).icc_profile
        assert linear == built_profile("stated chromaticities, gamma 1", SRGB, 1.0)
        srgb = read_photo(png(tmp_path / "d.png", adobe, chunk(b"sRGB", b"\0"))).icc_profile
        assert srgb == srgb_profile()
        write_photo(Photo(PIXELS, icc_profile=display_p3_profile()), tmp_path / "e.png")
        data = (tmp_path / "e.png").read_bytes()
        (tmp_path / "e.png").write_bytes(data[:33] + gamma(1) + data[33:])
        assert read_photo(tmp_path / "e.png").icc_profile == display_p3_profile()

    @pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
    def test_high_dynamic_range_is_refused(self, tmp_path: Path, transfer: int, name: str) -> None:
        path = png(tmp_path / "a.png", chunk(b"cICP", bytes([9, transfer, 0, 1])))
        with pytest.raises(InputError, match=rf"high dynamic range \({name}\)"):
            read_photo(path)

    @pytest.mark.parametrize("more", [b"", chunk(b"iCCP", b"a\0\0" + zlib.compress(srgb_profile()))])
    def test_the_narrow_range_of_video_is_refused(self, tmp_path: Path, more: bytes) -> None:
        for primaries in (1, 9):
            path = png(tmp_path / f"{primaries}.png", chunk(b"cICP", bytes([primaries, 1, 0, 0])), more)
            with pytest.raises(InputError, match="narrow range"):
                read_photo(path)

    def test_grey(self, tmp_path: Path) -> None:
        grey = np.repeat(PIXELS[:, :, :1], 3, 2)
        write_photo(Photo(grey, is_grey=True), tmp_path / "a.png")
        data = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(data[:33] + gamma(1) + data[33:])
        photo = read_photo(tmp_path / "a.png")
        assert (photo.icc_profile or b"")[16:20] == b"GRAY"
        for suffix in (".jpg", ".tif", ".png", ".webp"):
            assert write_photo(photo, tmp_path / f"b{suffix}").left_out == ()
        assert read_photo(tmp_path / "b.webp").pixels.mean() > grey.mean() + 20  # converted to sRGB

    @pytest.mark.parametrize("is_grey", [False, True])
    @pytest.mark.parametrize("words", [b"sRGB", b"gAMA", b"cHRM"])
    def test_srgb_in_a_chunk_overrules_exif_everywhere(
        self, tmp_path: Path, words: bytes, is_grey: bool
    ) -> None:
        nonsense = gamma(1) + chromaticities(SRGB._replace(white=(0.3, 0.0)))
        said = {b"sRGB": chunk(b"sRGB", b"\0"), b"gAMA": gamma(2.2), b"cHRM": nonsense}[words]
        pixels = np.repeat(PIXELS[:, :, :1], 3, 2) if is_grey else PIXELS
        write_photo(Photo(pixels, is_grey=is_grey), tmp_path / "a.png")
        data = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(data[:33] + said + chunk(b"eXIf", exif_of(0xFFFF)) + data[33:])
        photo = read_photo(tmp_path / "a.png")
        for suffix in SUFFIXES:
            write_photo(photo, tmp_path / f"b{suffix}", quality=100)
            found = srgb_pixels(read_photo(tmp_path / f"b{suffix}"))[0].astype(int)
            assert np.abs(found - pixels).max() <= 4  # of coding

    def test_nonsense_is_ignored(self, tmp_path: Path) -> None:
        path = png(tmp_path / "a.png", gamma(1e-5 + 1 / 3e4), chromaticities(SRGB._replace(white=(0.3, 0.0))))
        assert read_photo(path).icc_profile is None

    @pytest.mark.parametrize("length", [0, 3, 36])
    @pytest.mark.parametrize("name", [b"cHRM", b"gAMA", b"sRGB", b"cICP", b"pHYs"])
    def test_chunks_of_another_length_are_named(self, tmp_path: Path, name: bytes, length: int) -> None:
        photo = read_photo(png(tmp_path / "a.png", chunk(name, chromaticities(WIDE)[8:44][:length])))
        assert photo.icc_profile is None
        assert name.decode() in photo.notes[0]
        write_photo(photo, tmp_path / "b.png")
        assert name not in dict(chunks_of(tmp_path / "b.png"))


@pytest.mark.parametrize("transfer", [16, 18])
def test_a_profile_of_high_dynamic_range_is_refused(tmp_path: Path, transfer: int) -> None:
    profile = srgb_profile()
    count = int.from_bytes(profile[128:132], "big")
    shift = 12  # one more row in the table moves all tags
    rows = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(count)]
    table = b"".join(struct.pack(">4sII", name, place + shift, size) for name, place, size in rows)
    table += struct.pack(">4sII", b"cicp", len(profile) + shift, 12)
    made = profile[:128] + struct.pack(">I", count + 1) + table + profile[132 + 12 * count :]
    made += b"cicp" + bytes(4) + bytes([9, transfer, 0, 1])
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", icc_profile=made)
    with pytest.raises(InputError, match="high dynamic range"):
        read_photo(tmp_path / "a.jpg")


class TestDcf:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
    def test_adobe_rgb_gets_a_profile(self, tmp_path: Path, suffix: str) -> None:
        source = jpeg(tmp_path / "a.jpg", segment(0xE1, b"Exif\0\0" + exif_of(0xFFFF)))
        write_photo(read_photo(source), tmp_path / f"b{suffix}")
        assert adobe_rgb_profile()[200:300] in _unpacked(tmp_path / f"b{suffix}")

    def test_it_stays_as_it_was_in_jpeg(self, tmp_path: Path) -> None:
        source = jpeg(tmp_path / "a.jpg", segment(0xE1, b"Exif\0\0" + exif_of(0xFFFF)))
        write_photo(read_photo(source), tmp_path / "b.jpg")
        with Image.open(tmp_path / "b.jpg") as image:
            assert image.info.get("icc_profile") is None
        assert read_photo(tmp_path / "b.jpg").icc_profile == adobe_rgb_profile()

    @pytest.mark.parametrize(("space", "rule"), [(1, b"R03\0"), (0xFFFF, b"R98\0")])
    def test_others_are_srgb(self, tmp_path: Path, space: int, rule: bytes) -> None:
        source = jpeg(tmp_path / "a.jpg", segment(0xE1, b"Exif\0\0" + exif_of(space, rule)))
        assert read_photo(source).icc_profile is None

    def test_a_profile_comes_first(self, tmp_path: Path) -> None:
        exif = b"Exif\0\0" + exif_of(0xFFFF)
        Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif, icc_profile=display_p3_profile())
        assert read_photo(tmp_path / "a.jpg").icc_profile == display_p3_profile()

    def test_a_grey_one(self, tmp_path: Path) -> None:
        Image.fromarray(PIXELS[:, :, 0]).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif_of(2))
        photo = read_photo(tmp_path / "a.jpg")
        assert photo.icc_profile == adobe_rgb_profile(True)
        for suffix in SUFFIXES:
            write_photo(photo, tmp_path / f"b{suffix}")


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".png":
        with Image.open(path) as image:
            return bytes(image.info["icc_profile"])
    return path.read_bytes()


def test_chromaticities_of_a_tiff(tmp_path: Path) -> None:
    parts = [round(number * 10_000) for point in WIDE[:3] for number in point]
    fractions = [part for number in parts for part in (number, 10_000)]
    tags = [(318, 5, 2, (3127, 10_000, 3290, 10_000), True), (319, 5, 6, fractions, True)]
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", metadata=None, extratags=tags)
    photo = read_photo(tmp_path / "a.tif")
    assert photo.icc_profile == built_profile("stated chromaticities", WIDE, None)
    write_photo(photo, tmp_path / "b.jpg")
    assert read_photo(tmp_path / "b.jpg").icc_profile == photo.icc_profile


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    source = jpeg(tmp_path / "a.jpg", segment(0xE1, b"Exif\0\0" + make_exif()[:20]))
    assert read_photo(source).icc_profile is None


def test_numbers_of_h273() -> None:
    assert profile_of(Path("a"), StatedColours(primaries=1, transfer=8), is_grey=False)[0] == built_profile(
        "sRGB's primaries, gamma 1", SRGB, 1.0
    )
    with pytest.raises(InputError, match="primaries 9 and transfer 17"):
        profile_of(Path("a"), StatedColours(primaries=9, transfer=17), is_grey=False)
