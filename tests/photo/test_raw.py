"""Camera RAW becomes 16-bit sRGB with the camera's facts; what cannot be developed is said clearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED
from PIL import Image

from nsp_cli.errors import InputError
from nsp_cli.photo import RAW_SUFFIXES, read_photo, write_photo
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.formats.registry import recognised
from nsp_cli.photo.metadata import ifd, patching

RAW = SHARED / "data" / "raw"


def is_raw(path: Path) -> bool:
    """Whether nsp would develop a file."""
    spec = recognised(path)
    return spec is not None and spec.name == "raw"


def test_suffix_and_signature_decide(tmp_path: Path) -> None:
    crw = tmp_path / "renamed.bin"
    crw.write_bytes(b"II\x1a\0\0\0HEAPCCDR")
    assert is_raw(crw)
    nef = tmp_path / "photo.NEF"
    nef.write_bytes(b"MM\0*\0\0\0\x08")
    assert is_raw(nef)
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.tif")
    assert not is_raw(tmp_path / "photo.tif")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "photo.dng")
    assert not is_raw(tmp_path / "photo.dng")
    assert ".dng" in RAW_SUFFIXES


def test_a_dng_is_known_by_its_tag(tmp_path: Path) -> None:
    path = tmp_path / "renamed.tif"
    path.write_bytes(ifd.pack_block(ifd.Directory([ifd.Entry(50706, 1, 4, b"\1\4\0\0")]), "<"))
    assert is_raw(path)


def test_a_file_that_cannot_be_developed_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "photo.nef")
    with pytest.raises(
        InputError, match=r"photo.nef cannot be developed: LibRaw [\d.]+ does not know"
    ) as caught:
        read_photo(tmp_path / "photo.nef")
    assert "DNG" in caught.value.hint


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "size", "maker"),
    [
        ("canon-powershot-s40.crw", (1720, 2312), b"Canon\0"),
        ("colorchart.dng", (1156, 1734), b"Canon\0"),
        ("kodak-dc120.kdc", (976, 1301), b"Eastman Kodak Company\0"),
        ("kodak-dc50.kdc", (512, 768), b"Eastman Kodak Company\0"),
    ],
)
def test_real_files_are_developed(tmp_path: Path, name: str, size: tuple[int, int], maker: bytes) -> None:
    photo = read_photo(RAW / name)
    assert (photo.format, photo.bit_depth, photo.pixels.shape[:2]) == ("raw", 16, size)
    assert 0.15 < photo.pixels.mean() / 65535 < 0.75
    assert len(np.unique(photo.pixels)) > 256
    assert photo.icc_profile == srgb_profile()
    assert patching.orientation_of(photo.exif) == 1
    directory, _ = ifd.read_block(photo.exif or b"")
    assert {entry.tag: entry.value for entry in directory.entries}[271] == maker
    assert directory.children[ifd.EXIF_IFD].entries

    write_photo(photo, tmp_path / "developed.tif")
    back = read_photo(tmp_path / "developed.tif")
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert back.format == "tiff"


@pytest.mark.shared
@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
@pytest.mark.parametrize("name", ["canon-powershot-s40.crw", "colorchart.dng", "kodak-dc50.kdc"])
def test_truncated_files_are_errors(tmp_path: Path, name: str, share: float) -> None:
    data = (RAW / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=name):
        read_photo(tmp_path / name)


@pytest.mark.shared
def test_large_files_are_refused_before_developing() -> None:
    with pytest.raises(InputError, match="the limit is 1"):
        read_photo(RAW / "colorchart.dng", max_megapixels=1)
