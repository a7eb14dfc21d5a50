"""Developing RAW: every kind of sensor in its right colours, the options, and the facts that come along."""

from __future__ import annotations

import datetime
import io
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rawpy
from PIL import ExifTags, Image
from raw_files import (
    BAYER,
    FOUR,
    GMCY_SENSOR,
    PATCHES,
    RGB_SENSOR,
    RGBE_SENSOR,
    XTRANS,
    patch_means,
    scene,
    write_raw,
)

from nsp_cli.errors import InputError
from nsp_cli.photo import RawOptions, read_photo, write_photo
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.metadata.raw_exif import shot_exif


@pytest.mark.parametrize(
    ("sensor", "pattern", "codes", "side"),
    [
        (RGB_SENSOR, BAYER, (0, 1, 2), 96),
        (RGB_SENSOR, XTRANS, (0, 1, 2), 516),  # LibRaw refuses X-Trans below 512 pixels
        (RGBE_SENSOR, FOUR, (0, 1, 2, 3), 96),
    ],
    ids=["Bayer", "X-Trans", "four colours"],
)
@pytest.mark.parametrize("half", [False, True])
def test_colours_are_right(
    tmp_path: Path, sensor: Any, pattern: Any, codes: Any, side: int, half: bool
) -> None:
    path = write_raw(tmp_path / "a.dng", scene(side), sensor=sensor, pattern=pattern, codes=codes)
    photo = read_photo(path, raw=RawOptions(half=half))
    assert photo.pixels.shape == (side // (1 + half), 3 * side // (1 + half), 3)
    np.testing.assert_allclose(patch_means(photo.pixels), PATCHES, atol=0.002)
    assert (photo.format, photo.bit_depth, photo.icc_profile, photo.notes) == ("raw", 16, srgb_profile(), ())


def test_half_does_not_demosaic(tmp_path: Path) -> None:
    """Light on a single site of the sensor stays in a single pixel."""
    light = np.zeros((96, 288, 3))
    light[40, 60] = 0.5
    photo = read_photo(write_raw(tmp_path / "a.dng", light), raw=RawOptions(half=True))
    assert np.argwhere(photo.pixels.any(2)).tolist() == [[20, 30]]


@pytest.mark.parametrize("half", [False, True])
def test_a_monochrome_sensor_gives_grey(tmp_path: Path, half: bool) -> None:
    path = write_raw(tmp_path / "a.dng", scene(), sensor=RGB_SENSOR[1:2], pattern=None)
    photo = read_photo(path, raw=RawOptions(half=half))
    assert photo.height == (48 if half else 96)
    assert photo.is_grey
    assert photo.icc_profile is None
    np.testing.assert_allclose(patch_means(photo.pixels)[:, 0], PATCHES @ RGB_SENSOR[1], atol=0.001)
    write_photo(photo, tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "I;16"


def test_four_colours_that_libraw_cannot_convert_are_refused(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.dng", scene(), sensor=GMCY_SENSOR, pattern=FOUR, codes=(1, 4, 3, 5))
    with pytest.raises(InputError, match="four colours") as caught:
        read_photo(path)
    assert "TIFF" in caught.value.hint


@pytest.mark.parametrize("exposure", [-3, -1, 0.5, 1, 3])
def test_exposure_is_a_gain_that_does_not_clip(tmp_path: Path, exposure: float) -> None:
    bright = np.array([[0.04, 0.03, 0.02], [0.05, 0.05, 0.05], [0.95, 0.97, 0.99]])
    path = write_raw(tmp_path / "a.dng", scene(patches=bright))
    photo = read_photo(path, raw=RawOptions(exposure=exposure))
    light, wanted = patch_means(photo.pixels), bright * 2**exposure
    np.testing.assert_allclose(light[:2], wanted[:2], rtol=0.02)
    assert light.max() < 1
    assert (np.diff(light[2]) > 0).all()  # highlights keep their order
    assert exposure > 0 or light[2] == pytest.approx(wanted[2], rel=0.01)


def test_white_balance(tmp_path: Path) -> None:
    warm = PATCHES * (1, 0.8, 0.5)
    path = write_raw(tmp_path / "a.dng", scene(patches=warm))
    camera, auto, daylight = (
        patch_means(read_photo(path, raw=RawOptions(white_balance=kind)).pixels)
        for kind in ("camera", "auto", "daylight")
    )
    np.testing.assert_allclose(camera, warm, atol=0.002)
    # The camera says that it was daylight, so that the matrix alone gives the same.
    np.testing.assert_allclose(daylight, warm, atol=0.01)
    grey = auto.mean(0)
    assert np.ptp(grey) / grey.mean() < 0.1 < np.ptp(warm.mean(0)) / warm.mean()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="exposure"):
        RawOptions(exposure=3.1)
    with pytest.raises(ValueError, match="white balance"):
        RawOptions(white_balance="tungsten")  # type: ignore[arg-type]


def shot(order: str = "<") -> Directory:
    """Returns the directories of a camera's RAW file: date, exposure, lens, place, a maker note."""
    inner = [
        Entry(33434, 5, 1, struct.pack(order + "II", 1, 250)),
        Entry(33437, 5, 1, struct.pack(order + "II", 28, 10)),
        Entry(34855, 3, 1, struct.pack(order + "H", 6400)),
        Entry(36867, 2, 20, b"2024:05:06 07:08:09\0"),
        Entry(37386, 5, 1, struct.pack(order + "II", 85, 1)),
        Entry(ifd.MAKER_NOTE_TAG, 7, 8, b"the note"),
        Entry(42036, 2, 12, b"85mm f/1.8 X\0"[:12]),
    ]
    gps = [Entry(1, 2, 2, b"N\0"), Entry(2, 5, 3, struct.pack(order + "6I", 52, 1, 31, 1, 12, 1))]
    outer = [Entry(271, 2, 8, b"Maker X\0"), Entry(272, 2, 4, b"M-1\0")]
    return Directory(outer, {ifd.EXIF_IFD: Directory(inner), ifd.GPS_IFD: Directory(gps)})


def facts(exif: bytes | None) -> dict[str, Any]:
    """Reads a block with Pillow, independently of our own reader."""
    seen = Image.Exif()
    seen.load(b"Exif\0\0" + (exif or b""))
    inner, gps = seen.get_ifd(ExifTags.IFD.Exif), seen.get_ifd(ExifTags.IFD.GPSInfo)
    return {
        "camera": (seen.get(271), seen.get(272)),
        "exposure": [float(inner[tag]) for tag in (33434, 33437, 37386)],
        "iso": inner[34855],
        "date": inner[36867],
        "lens": inner.get(42036),
        "north": [float(value) for value in gps.get(2, ())],
        "has note": ifd.MAKER_NOTE_TAG in inner,
    }


EXPECTED = {
    "camera": ("Maker X", "M-1"),
    "exposure": [0.004, 2.8, 85.0],
    "iso": 6400,
    "date": "2024:05:06 07:08:09",
    "lens": "85mm f/1.8 X",
    "north": [52.0, 31.0, 12.0],
    "has note": False,
}


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_the_shot_comes_along(tmp_path: Path, suffix: str) -> None:
    path = write_raw(tmp_path / "a.dng", scene(), exif=ifd.pack_block(shot(), "<"))
    write_photo(read_photo(path), tmp_path / f"b{suffix}")
    assert facts(read_photo(tmp_path / f"b{suffix}").exif) == EXPECTED


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def opened(lens: str = "", **other: Any) -> Any:
    """Returns what rawpy tells of a file without a preview."""
    known = {"iso_speed": 0, "shutter_speed": 1, "aperture": 1, "focal_length": 0}
    known["timestamp"] = datetime.datetime(1970, 1, 1)
    return SimpleNamespace(
        other=SimpleNamespace(**(known | other)), lens=SimpleNamespace(model=lens), extract_thumb=no_preview
    )


def no_preview() -> None:
    raise OSError("no preview")


def test_the_shot_of_a_cr3(tmp_path: Path) -> None:
    """Canon keeps the directories in boxes; here they stand behind another box, as in a camera's file."""
    whole, path = shot(), tmp_path / "a.cr3"
    parts = {
        b"CMT1": Directory(whole.entries),
        b"CMT2": whole.children[ifd.EXIF_IFD],
        b"CMT4": whole.children[ifd.GPS_IFD],
    }
    own = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48") + box(b"CNCV", b"CanonCR3")
    own += b"".join(box(kind, ifd.pack_block(part, "<")) for kind, part in parts.items())
    moov = box(b"moov", box(b"mvhd", bytes(4)) + box(b"uuid", own))
    path.write_bytes(box(b"ftyp", b"crx \0\0\0\1crx isom") + moov + box(b"mdat", bytes(9)))
    assert facts(shot_exif(path, opened())) == EXPECTED


def test_the_shot_of_a_preview(tmp_path: Path) -> None:
    """As in Fujifilm's RAF, whose directories stand in its JPEG alone."""
    path, preview = tmp_path / "a.raf", io.BytesIO()
    path.write_bytes(b"FUJIFILMCCD-RAW and no more")
    Image.new("RGB", (8, 8)).save(preview, "JPEG", exif=b"Exif\0\0" + ifd.pack_block(shot(">"), ">"))
    raw = opened()
    raw.extract_thumb = lambda: SimpleNamespace(format=rawpy.ThumbFormat.JPEG, data=preview.getvalue())
    assert facts(shot_exif(path, raw)) == EXPECTED


def test_what_only_libraw_knows_is_added(tmp_path: Path) -> None:
    path = tmp_path / "a.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW and no more")
    time = datetime.datetime(2024, 5, 6, 7, 8, 9)
    raw = opened(
        "XF 35", iso_speed=400.0, shutter_speed=0.01, aperture=2.0, focal_length=35.0, timestamp=time
    )
    found = facts(shot_exif(path, raw))
    assert (found["lens"], found["iso"], found["exposure"]) == ("XF 35", 400, [0.01, 2.0, 35.0])
    assert found["date"] == "2024:05:06 07:08:09"
    assert facts(
        shot_exif(write_raw(tmp_path / "a.dng", scene(), exif=ifd.pack_block(shot(), "<")), raw)
    ) == (EXPECTED)


@pytest.mark.parametrize(("command", "scale"), [("denoise", 1), ("upscale", 2)])
def test_commands_take_the_options(
    tmp_path: Path, run_nsp: Any, tiny_weights: Path, command: str, scale: int
) -> None:
    path = write_raw(tmp_path / "a.dng", scene(64))
    options = ("--half", "--raw-exposure", -1, "--raw-wb", "auto")
    run = run_nsp(command, path, "-m", tiny_weights, "-o", tmp_path / "b.tif", "--strength", 0, *options)
    assert run.code == 0, run.err
    result = read_photo(tmp_path / "b.tif")
    wanted = read_photo(path, raw=RawOptions(-1, "auto", half=True))
    assert (result.height, result.width) == (32 * scale, 96 * scale)
    np.testing.assert_allclose(result.pixels.mean((0, 1)), wanted.pixels.mean((0, 1)), rtol=0.05)
    again = run_nsp(command, path, "-m", tiny_weights, "-o", tmp_path / "b.tif", "--strength", 0, "--half")
    assert "other settings" in again.err


def test_the_options_are_for_raw_only(tmp_path: Path, run_nsp: Any, tiny_weights: Path) -> None:
    Image.new("RGB", (20, 30)).save(tmp_path / "a.png")
    run = run_nsp("denoise", tmp_path / "a.png", "-m", tiny_weights, "--half")
    assert "not camera RAW, so the RAW options do not apply" in run.err
    assert read_photo(tmp_path / "a_denoised.png").width == 20
    assert run_nsp("denoise", tmp_path / "a.png", "-m", tiny_weights, "--raw-exposure", 4).code == 2
