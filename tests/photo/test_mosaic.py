"""What a Bayer sensor saw is kept, and developed with the colours that LibRaw gives it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
import tifffile
from raw_files import BAYER, FOUR, RGB_SENSOR, RGBE_SENSOR, XTRANS, patch_means, scene, write_raw
from test_raw_development import EXPECTED, facts, shot

from nsp_cli.photo import Mosaic, Photo, RawOptions, SensorPicture, developed, read_photo, write_photo
from nsp_cli.photo.formats import raw_mosaic
from nsp_cli.photo.formats.raw_development import Development, developed_by_libraw, tones
from nsp_cli.photo.metadata import ifd

PHASES = {"RGGB": BAYER, "GBRG": BAYER[::-1], "GRBG": BAYER[:, ::-1], "BGGR": BAYER[::-1, ::-1]}
# A sensor whose white is far from neutral, as cameras have it.
WARM = RGB_SENSOR * np.array([[0.45], [1.0], [0.6]])


def coloured(seed: int = 0) -> Any:
    """Linear sRGB with blocks of many colours, some of them clipped, (120, 180, 3)."""
    blocks = np.random.default_rng(seed).uniform(0, 1.1, (10, 15, 3))
    return np.kron(blocks, np.ones((12, 12, 1)))


def bayer_photo(path: Path, **options: Any) -> Photo:
    photo = read_photo(path, keep_mosaic=True, **options)
    assert photo.mosaic is not None, photo.notes
    return photo


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("black", [(), (500, 520, 540, 560)])
def test_the_mosaic_is_the_light_of_the_sensor(tmp_path: Path, phase: str, black: Any) -> None:
    pattern, light = PHASES[phase], coloured()
    path = write_raw(tmp_path / "a.dng", light, sensor=WARM, pattern=pattern, black=black)
    mosaic = bayer_photo(path).mosaic
    assert mosaic is not None
    assert mosaic.first_red == tuple(np.argwhere(pattern == 0)[0])
    np.testing.assert_allclose(mosaic.colours.gains * WARM.sum(1), WARM.sum(1).max(), rtol=1e-3)
    colours = np.tile(pattern, (60, 90))
    seen = np.take_along_axis(np.clip(light @ WARM.T, 0, 1), colours[..., None], 2)[..., 0]
    np.testing.assert_allclose(mosaic.light(), seen, atol=2e-3)


@pytest.mark.parametrize("white_balance", ["camera", "auto", "daylight"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_it_is_developed_as_libraw_does(tmp_path: Path, white_balance: Any, orientation: int) -> None:
    path = write_raw(tmp_path / "a.dng", coloured(), sensor=WARM, orientation=orientation)
    options = RawOptions(white_balance=white_balance, exposure=0.5)
    with rawpy.imread(str(path)) as raw:
        quickly = rawpy.DemosaicAlgorithm.LINEAR
        expected = tones(0.5)[
            developed_by_libraw(raw, Development(options, is_dng=True), demosaic_algorithm=quickly)
        ]
    photo = bayer_photo(path, raw=options)
    # One of 65535 in linear light is 13 of 65535 in the shadows.
    np.testing.assert_allclose(photo.pixels.astype(int), expected.astype(int), atol=80)


def kinds_without_a_mosaic() -> Any:
    return [
        pytest.param({"pattern": XTRANS}, {}, "without Bayer's pattern", id="X-Trans"),
        pytest.param({"pattern": None, "sensor": RGB_SENSOR[1:2]}, {}, "without Bayer's pattern", id="mono"),
        pytest.param(
            {"pattern": FOUR, "sensor": RGBE_SENSOR, "codes": (0, 1, 2, 3)}, {}, "pattern", id="four"
        ),
        pytest.param({}, {"raw": RawOptions(half=True)}, "--half", id="half"),
    ]


@pytest.mark.parametrize(("sensor", "options", "why"), kinds_without_a_mosaic())
def test_other_raw_goes_the_way_through_libraw_and_says_so(
    tmp_path: Path, sensor: Any, options: Any, why: str
) -> None:
    path = write_raw(tmp_path / "a.dng", scene(516), **sensor)
    photo = read_photo(path, keep_mosaic=True, **options)
    assert photo.mosaic is None
    assert [note for note in photo.notes if "developed by LibRaw before denoising" in note and why in note]
    plain = read_photo(path, **options)
    assert (plain.pixels == photo.pixels).all()
    assert plain.notes == photo.notes[:-1]


def test_data_that_are_demosaiced_already_go_the_same_way(tmp_path: Path) -> None:
    blocks = np.kron(np.arange(6, dtype=np.uint16)[:, None, None] * 9000, np.ones((30, 90, 3), np.uint16))
    write_photo(Photo(blocks, format="raw"), tmp_path / "a.dng")
    photo = read_photo(tmp_path / "a.dng", keep_mosaic=True)
    assert photo.mosaic is None
    assert "demosaiced already" in photo.notes[0]


def test_what_libraw_does_otherwise_is_left_to_libraw(tmp_path: Path, monkeypatch: Any) -> None:
    path = write_raw(tmp_path / "a.dng", coloured())
    by_libraw = raw_mosaic.balanced_by_libraw

    def curved(*given: Any, **others: Any) -> Any:
        return (65535 * (by_libraw(*given, **others) / 65535) ** 0.8).astype(np.uint16)

    monkeypatch.setattr(raw_mosaic, "balanced_by_libraw", curved)
    photo = read_photo(path, keep_mosaic=True)
    assert photo.mosaic is None
    assert (photo.pixels == read_photo(path).pixels).all()


def sensor_photo(tmp_path: Path, exposure: float = 0.0) -> tuple[Photo, Any]:
    """A photo with what a sensor sees of patches, and the patches."""
    light = scene(patches=np.array([[0.45, 0.15, 0.08], [0.3, 0.3, 0.3], [0.08, 0.18, 0.6]]))
    exif = ifd.pack_block(shot(), "<")
    photo = bayer_photo(write_raw(tmp_path / "camera.dng", light, sensor=WARM, exif=exif))
    assert photo.mosaic is not None
    seen = np.rint(65535 * (light @ WARM.T)).astype(np.uint16)
    picture = SensorPicture(seen, photo.mosaic.colours, exposure)
    return dataclasses.replace(photo.with_pixels(developed(picture)), sensor=picture), light


def test_what_the_sensor_clipped_is_white() -> None:
    photo = SensorPicture(np.full((1, 1, 3), 65535, np.uint16), colours=warm_colours())
    assert (photo.to_srgb() == 65535).all()


def warm_colours() -> Any:
    gains = (WARM.sum(1).max() / WARM.sum(1)).astype(np.float32)
    to_srgb = np.linalg.inv(WARM / WARM.sum(1, keepdims=True)).astype(np.float32)
    return raw_mosaic.SensorColours(gains, to_srgb, gains)


class TestDng:
    """A DNG with the sensor's own light."""

    @pytest.mark.parametrize("white_balance", ["camera", "daylight"])
    def test_any_program_develops_it_with_the_same_colours(self, tmp_path: Path, white_balance: Any) -> None:
        photo, light = sensor_photo(tmp_path)
        write_photo(photo, tmp_path / "a.dng")
        back = read_photo(tmp_path / "a.dng", raw=RawOptions(white_balance=white_balance))
        np.testing.assert_allclose(patch_means(back.pixels), light[0, 48::96], atol=0.004)
        assert facts(back.exif) == EXPECTED

    def test_white_balance_stays_free_and_highlights_are_kept(self, tmp_path: Path) -> None:
        photo, _ = sensor_photo(tmp_path, exposure=1.0)
        write_photo(photo, tmp_path / "a.dng")
        with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
            tags, full = tiff.pages[0].tags, tiff.pages[0].pages[0]
            assert photo.sensor is not None
            np.testing.assert_array_equal(full.asarray(), photo.sensor.pixels)
            assert tuple(tags[50730].value) == (1, 1)  # BaselineExposure
            neutral = np.reshape(tags[50728].value, (3, 2))
            assert tags[50708].value == "Maker X M-1"
            assert not {50936, 50940, 51110} & {tag.code for tag in tags}
        np.testing.assert_allclose(neutral[:, 0] / neutral[:, 1], WARM.sum(1) / WARM.sum(1).max(), rtol=1e-3)

    def test_other_pixels_are_written_as_they_are(self, tmp_path: Path) -> None:
        photo, _ = sensor_photo(tmp_path)
        write_photo(photo.with_pixels(photo.pixels // 2), tmp_path / "a.dng")
        back = read_photo(tmp_path / "a.dng")
        np.testing.assert_allclose(back.pixels.astype(int), photo.pixels // 2, atol=60)


@pytest.mark.parametrize("flip", [0, 1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 2), (4, 5), (7, 7)])
def test_a_window_is_a_part_of_the_upright_picture(flip: int, top: int, left: int) -> None:
    random = np.random.default_rng(0)
    samples = random.integers(600, 16000, (30, 44), dtype=np.uint16)
    black = np.array([500, 520, 540, 560], np.float32)
    mosaic = Mosaic(samples, (1, 0), black, 15000, warm_colours(), flip)
    window = mosaic.window(top, left, 12, 10)
    for whole, part in (
        (mosaic.light(), window.light()),
        (colours_of(mosaic.samples, mosaic.first_red), colours_of(window.samples, window.first_red)),
    ):
        upright = mosaic.upright(whole[..., None])
        assert (upright[top : top + 12, left : left + 10] == window.upright(part[..., None])).all()


def colours_of(samples: Any, first_red: tuple[int, int]) -> Any:
    rows, columns = np.mgrid[: samples.shape[0], : samples.shape[1]]
    return (rows % 2 != first_red[0]).astype(int) + (columns % 2 != first_red[1])
