"""White balance and exposure that a DNG states where LibRaw does not look."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raw_files
from raw_files import PATCHES, RGB_SENSOR, patch_means, scene, write_raw

from nsp_cli.photo import RawOptions, read_photo, write_photo
from nsp_cli.photo.formats.dng_facts import as_shot_multipliers, baseline_exposure
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.raw_exif import first_directory

SENSOR = np.diag([0.5, 1.0, 0.7]) @ RGB_SENSOR
D65, TUNGSTEN = (0.3127, 0.329), (0.4476, 0.4074)
TAGS = raw_files._camera_tags
NEUTRAL = 50728


def fractions(*values: float) -> list[int]:
    return [part for value in values for part in (round(value * 100_000), 100_000)]


def write(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *more: tuple[Any, ...],
    without: int = NEUTRAL,
    light: Any = None,
) -> Path:
    """Writes a DNG with further tags, and without one that the others would contradict."""
    monkeypatch.setattr(
        raw_files, "_camera_tags", lambda sensor: [tag for tag in TAGS(sensor) if tag[0] != without] + [*more]
    )
    return write_raw(path, scene() if light is None else light, sensor=SENSOR)


def white_tag(x: float, y: float) -> tuple[Any, ...]:
    return (50729, 5, 2, fractions(x, y), True)


def test_white_as_chromaticities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = read_photo(write(tmp_path / "a.dng", monkeypatch, white_tag(*D65)))
    assert photo.notes == ()
    np.testing.assert_allclose(patch_means(photo.pixels), PATCHES, atol=0.02)
    plain = read_photo(write_raw(tmp_path / "b.dng", scene(), sensor=SENSOR))
    assert np.abs(photo.pixels.astype(int) - plain.pixels).mean() < 300


def test_another_white_gives_the_camera_answer_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.dng", monkeypatch, white_tag(*TUNGSTEN))
    directory, layout = first_directory(path) or pytest.fail("no directory")
    x, y = TUNGSTEN
    seen = SENSOR @ raw_files.XYZ_TO_SRGB @ [x / y, 1, (1 - x - y) / y]
    np.testing.assert_allclose(as_shot_multipliers(directory, layout.order), seen[1] / seen, rtol=1e-3)


def test_the_matrix_is_that_for_the_light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two matrices: under tungsten (A) and under D65; between them the mix goes by inverse temperature."""
    second = (
        50722,
        10,
        9,
        fractions(*(2 * SENSOR @ raw_files.XYZ_TO_SRGB * [[1], [1], [0.5]]).ravel()),
        True,
    )
    light = (50779, 3, 1, 17, True)

    def found(x: float, y: float) -> Any:
        path = write(tmp_path / f"{x}.dng", monkeypatch, white_tag(x, y), second, light)
        directory, layout = first_directory(path) or pytest.fail("no directory")
        white = SENSOR @ raw_files.XYZ_TO_SRGB @ [x / y, 1, (1 - x - y) / y]
        return np.array(as_shot_multipliers(directory, layout.order)) / (white[1] / white)

    np.testing.assert_allclose(found(*D65), 1, rtol=0.01)
    np.testing.assert_allclose(found(*TUNGSTEN), [1, 1, 2], rtol=0.01)
    assert 1.2 < found(0.3805, 0.3768)[2] < 1.8  # about 4000 K


# Some cameras state how this one differs from others of its model, and how its channels are amplified.
CALIBRATION = np.array([[1.5, 0.1, 0.0], [0.0, 0.9, 0.2], [0.05, 0.0, 0.6]])
BALANCE = (0.8, 1.0, 2.0)


@pytest.mark.parametrize("calibration", [np.eye(3), CALIBRATION])
@pytest.mark.parametrize("balance", [(1.0, 1.0, 1.0), BALANCE])
def test_this_camera_differs_from_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calibration: Any, balance: Any
) -> None:
    tags = [(50723, 10, 9, fractions(*calibration.ravel()), True), (50727, 5, 3, fractions(*balance), True)]
    path = write(tmp_path / "a.dng", monkeypatch, white_tag(*TUNGSTEN), *tags)
    directory, layout = first_directory(path) or pytest.fail("no directory")
    x, y = TUNGSTEN
    model = SENSOR @ raw_files.XYZ_TO_SRGB
    seen = np.diag(balance) @ calibration @ model @ [x / y, 1, (1 - x - y) / y]
    np.testing.assert_allclose(as_shot_multipliers(directory, layout.order), seen[1] / seen, rtol=1e-3)


def test_each_matrix_has_a_calibration_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both matrices are alike; the second is for tungsten (A)."""
    model = SENSOR @ raw_files.XYZ_TO_SRGB
    second = [(50722, 10, 9, fractions(*model.ravel()), True), (50779, 3, 1, 17, True)]
    own = (50724, 10, 9, fractions(*CALIBRATION.ravel()), True)
    for (x, y), calibration in ((D65, np.eye(3)), (TUNGSTEN, CALIBRATION)):
        path = write(tmp_path / f"{x}.dng", monkeypatch, white_tag(x, y), *second, own)
        directory, layout = first_directory(path) or pytest.fail("no directory")
        seen = calibration @ model @ [x / y, 1, (1 - x - y) / y]
        np.testing.assert_allclose(as_shot_multipliers(directory, layout.order), seen[1] / seen, rtol=0.01)


@pytest.mark.parametrize(("stated", "taken"), [(-20, -5), (-4.5, -4.5), (4.5, 4.5), (20, 5)])
def test_an_exposure_that_no_camera_states_is_limited(stated: float, taken: float) -> None:
    entry = ifd.Entry(50730, 10, 1, struct.pack("<ii", round(10 * stated), 10))
    assert baseline_exposure(ifd.Directory([entry]), "<") == taken
    assert baseline_exposure(ifd.Directory([]), "<") == 0


def test_a_neutral_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.dng", monkeypatch, white_tag(*D65), without=0)
    directory, layout = first_directory(path) or pytest.fail("no directory")
    assert as_shot_multipliers(directory, layout.order) is None
    np.testing.assert_allclose(patch_means(read_photo(path).pixels), PATCHES, atol=0.02)


def test_the_user_may_choose_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.dng", monkeypatch, white_tag(*TUNGSTEN))
    as_shot, other = (read_photo(path, raw=RawOptions(white_balance=each)) for each in ("camera", "auto"))
    assert np.abs(as_shot.pixels.astype(int) - other.pixels).mean() > 1000


def test_without_any_white_it_is_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "estimated" in read_photo(write(tmp_path / "a.dng", monkeypatch)).notes[0]


@pytest.mark.parametrize("exposure", [-1.0, 1.0, 2.0])
def test_the_exposure_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exposure: float) -> None:
    dim = scene(patches=PATCHES / 8)
    tag = (50730, 10, 1, (round(100 * exposure), 100), True)
    path = write(tmp_path / "a.dng", monkeypatch, tag, without=0, light=dim)
    photo = read_photo(path)
    assert f"{exposure:+.2g} EV" in photo.notes[0]
    np.testing.assert_allclose(patch_means(photo.pixels), PATCHES / 8 * 2**exposure, rtol=0.1, atol=0.004)
    both = read_photo(path, raw=RawOptions(exposure=-exposure))
    np.testing.assert_allclose(patch_means(both.pixels), PATCHES / 8, rtol=0.1, atol=0.004)
    write_photo(photo, tmp_path / "b.dng")
    again = read_photo(tmp_path / "b.dng")
    assert again.notes == ()
    np.testing.assert_allclose(patch_means(again.pixels), patch_means(photo.pixels), rtol=0.05, atol=0.004)
