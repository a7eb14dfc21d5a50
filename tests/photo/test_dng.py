"""A linear DNG shows what was denoised, in any program that develops it, with the facts of the shot."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image
from raw_files import scene, write_raw
from test_raw_development import EXPECTED, facts, shot

from nsp_cli.errors import OutputError
from nsp_cli.photo import Photo, check_writable, photo_size, read_photo, write_photo
from nsp_cli.photo.colour import srgb_light
from nsp_cli.photo.formats import dng
from nsp_cli.photo.metadata import ifd


def raw_photo(height: int = 300, width: int = 420, **facts: Any) -> Photo:
    """Makes a developed photo of every brightness, with colours as far apart as sRGB has them."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 65536, (height // 30, width // 30, 3), dtype=np.uint16)
    return Photo(np.kron(blocks, np.ones((30, 30, 1), np.uint16)), format="raw", **facts)


def developed(path: Path) -> Any:
    """Develops with the camera's white balance as any program would; linear, in [0, 1]."""
    with rawpy.imread(str(path)) as raw:
        linear = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0.0, output_bps=16, gamma=(1, 1)
        )
    return linear / 65535


@pytest.mark.parametrize("camera", [(b"Canon\0", b"Canon EOS 5D Mark III\0"), (b"Maker X\0", b"M-1\0")])
def test_libraw_develops_the_same_picture(tmp_path: Path, camera: tuple[bytes, bytes]) -> None:
    """Also where LibRaw has a table for the camera, whose colours and crop must not be used."""
    names = [ifd.Entry(tag, 2, len(text), text) for tag, text in zip((271, 272), camera, strict=True)]
    photo = raw_photo(exif=ifd.pack_block(ifd.Directory(names), "<"))
    write_photo(photo, tmp_path / "a.dng")
    shown = developed(tmp_path / "a.dng")
    np.testing.assert_allclose(shown, srgb_light()[photo.pixels], atol=3e-4)
    assert np.abs(shown - srgb_light()[photo.pixels]).mean() < 3e-5


def test_it_comes_back(tmp_path: Path) -> None:
    photo = raw_photo(exif=ifd.pack_block(shot(">"), ">"), xmp=b"<x:xmpmeta/>")
    write_photo(photo, tmp_path / "a.dng")
    back = read_photo(tmp_path / "a.dng")
    assert back.format == "raw"
    # Linear 16 bits are coarser than sRGB's in the shadows: by 13 at black, by less than 1 of 8 bits.
    np.testing.assert_allclose(back.pixels.astype(int), photo.pixels.astype(int), atol=60)
    assert facts(back.exif) == EXPECTED
    assert photo_size(tmp_path / "a.dng") == (420, 300)
    assert back.notes == ()


def test_a_camera_file_becomes_one(tmp_path: Path) -> None:
    camera = read_photo(write_raw(tmp_path / "camera.dng", scene()))
    write_photo(camera, tmp_path / "a.dng")
    write_photo(camera, tmp_path / "a.tif")
    difference = read_photo(tmp_path / "a.dng").pixels.astype(int) - read_photo(tmp_path / "a.tif").pixels
    assert np.abs(difference).max() < 60


def test_what_other_programs_look_for(tmp_path: Path) -> None:
    photo = raw_photo(exif=ifd.pack_block(shot(), "<"))
    write_photo(photo, tmp_path / "a.dng")
    with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
        first, full = tiff.pages[0], tiff.pages[0].pages[0]
        tags = {tag: first.tags[tag].value for tag in (50706, 50708, 50728, 50778)}
        assert (tags[50706], tags[50728]) == (b"\1\4\0\0", (1, 1, 1, 1, 1, 1))
        assert "M-1" not in tags[50708]
        assert (full.photometric, full.compression, full.shape) == (34892, 7, photo.pixels.shape)
        assert full.bitspersample == 16
        np.testing.assert_array_equal(full.asarray(), np.rint(65535 * srgb_light()[photo.pixels]))
        matrix = np.array(first.tags[50721].value).reshape(3, 3, 2)
    # The "camera" answers alike to its white, D65.
    white = matrix[..., 0] / matrix[..., 1] @ [0.95047, 1, 1.08883]
    np.testing.assert_allclose(white, 1, atol=1e-3)
    with Image.open(tmp_path / "a.dng") as preview:
        assert preview.size == (photo.width, photo.height)
        np.testing.assert_allclose(
            np.asarray(preview)[15::30, 15::30], photo.pixels[15::30, 15::30] / 257, atol=8
        )


def test_the_preview_is_small(tmp_path: Path) -> None:
    write_photo(raw_photo(1500, 2100), tmp_path / "a.dng")
    with Image.open(tmp_path / "a.dng") as preview:
        assert max(preview.size) == 1024
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        taken = raw.extract_thumb()
        assert taken.format == rawpy.ThumbFormat.JPEG
    with Image.open(io.BytesIO(taken.data)) as preview:
        assert preview.size == (1024, 731)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = Photo(np.zeros((4, 4, 3), np.uint16), format="jpeg")
    with pytest.raises(OutputError, match="camera RAW only"):
        write_photo(jpeg, tmp_path / "a.dng")
    eight = Photo(np.zeros((4, 4, 3), np.uint8), format="raw")
    with pytest.raises(OutputError, match="16 bits"):
        write_photo(eight, tmp_path / "a.dng")
    monkeypatch.setattr(dng, "MOST_IN_CLASSIC", 4 * raw_photo().pixels.nbytes - 1)
    check_writable(raw_photo(), tmp_path / "a.dng")
    with pytest.raises(OutputError, match="4 GB"):
        check_writable(raw_photo(), tmp_path / "a.dng", scale=2)


def test_the_command_writes_it_when_asked_to(tmp_path: Path, run_nsp: Any, tiny_weights: Path) -> None:
    path = write_raw(tmp_path / "a.dng", scene())
    run = run_nsp("denoise", path, "-m", tiny_weights, "--format", "dng")
    assert run.code == 0, run.err
    assert read_photo(tmp_path / "a_denoised.dng").format == "raw"
    again = run_nsp("denoise", path, "-m", tiny_weights, "--format", "dng")
    assert "done before" in again.err
    run_nsp("denoise", path, "-m", tiny_weights)
    assert read_photo(tmp_path / "a_denoised.tif").format == "tiff"
