"""TIFFs in YCbCr and Lab: what other programs write comes out as the colours that went in."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage import data
from test_extras import copied

from nsp_cli.errors import InputError
from nsp_cli.photo import read_photo
from nsp_cli.photo.colour import srgb_profile

SRGB_TO_D50 = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
RATIO = (299, 1000, 587, 1000, 114, 1000)
FULL, VIDEO = (0, 255, 128, 255, 128, 255), (15, 235, 128, 240, 128, 240)


def picture() -> Any:
    return np.ascontiguousarray(data.chelsea()[100:140, 120:168])


def ycbcr() -> Any:
    return np.asarray(Image.fromarray(picture()).convert("YCbCr"))


def black_and_white(numbers: tuple[int, ...]) -> tuple[Any, ...]:
    return (532, 5, 6, tuple(part for number in numbers for part in (number, 1)), True)


def write(path: Path, pixels: Any, photometric: str, *tags: Any, **options: Any) -> Path:
    options |= {"subsampling": (1, 1)} if photometric == "ycbcr" else {}
    tifffile.imwrite(path, pixels, photometric=photometric, metadata=None, extratags=tags, **options)
    return path


class TestYcbcr:
    @pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
    def test_each_compression(self, tmp_path: Path, compression: str | None) -> None:
        path = write(tmp_path / "a.tif", ycbcr(), "ycbcr", compression=compression)
        assert np.abs(read_photo(path).pixels.astype(int) - picture()).max() <= 3

    def test_halved_colours_without_compression_are_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tif", ycbcr(), "ycbcr")
        whole, halved = (struct.pack("<HHIHH", 530, 3, 2, step, step) for step in (1, 2))
        assert whole in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(whole, halved))
        with pytest.raises(InputError, match="8-bit unsigned YCbCr"):
            read_photo(path)

    def test_without_compression_the_usual_numbers_alone_are_read(self, tmp_path: Path) -> None:
        usual = ((529, 5, 3, RATIO, True), black_and_white(FULL))
        path = write(tmp_path / "a.tif", ycbcr(), "ycbcr", *usual)
        assert np.abs(read_photo(path).pixels.astype(int) - picture()).max() <= 3
        path = write(tmp_path / "b.tif", ycbcr(), "ycbcr", black_and_white(VIDEO))
        with pytest.raises(InputError, match="8-bit unsigned YCbCr"):
            read_photo(path)

    def test_the_page_behind_a_thumbnail(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            file.write(picture()[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
            file.write(ycbcr(), photometric="ycbcr", compression="lzw", subsampling=(1, 1), metadata=None)
        found = read_photo(tmp_path / "a.tif").pixels
        assert np.abs(found.astype(int) - picture()).max() <= 3


class TestLab:
    def test_8_bits_of_pillow(self, tmp_path: Path) -> None:
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
        image = ImageCms.applyTransform(Image.fromarray(picture()), transform)
        assert image is not None
        image.save(tmp_path / "a.tif")
        found = read_photo(tmp_path / "a.tif")
        assert np.abs(found.pixels.astype(int) - picture()).mean() < 1.5
        assert found.icc_profile == srgb_profile()
        assert found.notes == ("Lab converted to sRGB",)

    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_16_bits(self, tmp_path: Path, planar: str) -> None:
        """Against the textbook's formulas and the usual matrix of sRGB under D50."""
        encoded = picture() / 255
        light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        relative = light @ SRGB_TO_D50.T / SRGB_TO_D50.sum(1)
        curved = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
        x, y, z = np.moveaxis(curved, -1, 0)
        stored = np.stack([(116 * y - 16) * 655.35, 500 * (x - y) * 256, 200 * (y - z) * 256], axis=-1)
        pixels = np.rint(stored).astype(np.int32).astype(np.uint16)
        pixels = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0).copy()
        path = write(tmp_path / "a.tif", pixels, "cielab", planarconfig=planar)
        assert np.abs(read_photo(path).pixels / 257 - picture()).max() < 0.1

    def test_the_middle_of_icclab(self, tmp_path: Path) -> None:
        grey = np.full((8, 8, 3), 128, np.uint8)
        found = read_photo(write(tmp_path / "a.tif", grey, "icclab")).pixels
        assert np.ptp(found) <= 1
        assert abs(int(found[0, 0, 0]) - 119) <= 1

    def test_its_profile_is_not_that_of_the_result(self, tmp_path: Path) -> None:
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        grey = np.full((8, 8, 3), 128, np.uint8)
        path = write(tmp_path / "a.tif", grey, "icclab", iccprofile=lab)
        target, written = copied(path, ".tif")
        assert "ICC profile: colours converted to sRGB" in written.changed
        assert read_photo(target).icc_profile == srgb_profile()


def test_whole_numbers_of_32_bits_are_named_plainly(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((8, 8), np.uint32), "minisblack")
    with pytest.raises(InputError, match="32-bit unsigned grey pixels"):
        read_photo(path)
