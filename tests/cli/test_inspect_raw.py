"""nsp inspect tells the noise of a sensor in the terms that photographers know."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from raw_files import RGB_SENSOR, XTRANS, scene, write_raw

from nsp_cli.photo import stated_noise

ELECTRONS, READ = 2000.0, 4.0
STATED = (1 / ELECTRONS, (READ / ELECTRONS) ** 2) * 3


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """Grey steps with the noise of 2,000 electrons at white and 4 electrons of read noise."""
    steps = np.linspace(0.01, 0.9, 24)[:, None].repeat(3, 1)
    light = np.repeat(np.repeat(steps[None], 512, 0), 32, 1)
    seen = light @ RGB_SENSOR.T
    random = np.random.default_rng(0)
    seen = seen + random.normal(size=seen.shape) * np.sqrt(seen / ELECTRONS + (READ / ELECTRONS) ** 2)
    profile = (51041, 12, 6, STATED, True)
    return write_raw(
        tmp_path / "a.dng", seen @ np.linalg.inv(RGB_SENSOR).T, extra=[profile], black=(2000,) * 4
    )


def test_the_table_tells_electrons_speed_and_what_the_file_states(run_nsp: Any, noisy: Path) -> None:
    run = run_nsp("inspect", noisy)
    assert run.code == 0, run.err
    for fact in ("electrons at white", "like ISO", "2,000, 4.0"):
        assert fact in run.out


def test_json_tells_the_noise(run_nsp: Any, noisy: Path) -> None:
    (entry,) = json.loads(run_nsp("inspect", noisy, "--json").out)
    assert entry["mode"] == "raw"
    assert entry["electrons_at_white"] == pytest.approx(ELECTRONS, rel=0.15)
    assert entry["read_noise_electrons"] == pytest.approx(READ, rel=0.4)
    assert entry["stated"] == [list(STATED[:2])] * 3
    # What denoise tells: √(0.18 / 2,000) of white on a grey card, times the slope of sRGB there.
    assert entry["luma"] == pytest.approx(255 * 1.195 * (0.18 / ELECTRONS) ** 0.5, rel=0.15)


def test_banding_is_told(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    grey = np.full((512, 512, 3), 0.05) + 0.002 * random.normal(size=(512, 512, 3))
    banded = write_raw(tmp_path / "b.dng", grey + 0.001 * random.normal(size=(512, 1, 1)), black=(2000,) * 4)
    without, having = json.loads(run_nsp("inspect", noisy, banded, "--json").out)
    assert not without["has_banding"]
    assert having["has_banding"]
    assert having["banding"]["rows"] > 0.3 > 10 * having["banding"]["columns"]
    assert "of dark noise" in run_nsp("inspect", banded).out.replace("\n", " ")


def test_the_order_in_json_is_that_of_the_photos_and_of_the_documentation(
    run_nsp: Any, noisy: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.jpg"
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(plain)
    text = (Path(__file__).parents[2] / ".github/docs/commands.md").read_text(encoding="utf-8")
    documented = text.partition("`nsp inspect --json`")[2].partition("\n\n")[0]
    for photos in ([noisy, plain], [plain, noisy]):
        entries = json.loads(run_nsp("inspect", *photos, "--json").out)
        assert [entry["photo"] for entry in entries] == [str(photo) for photo in photos]
        for entry in entries:
            assert ", ".join(f"`{key}`" for key in entry) in documented.replace("\n", " ")


def test_other_sensors_are_measured_as_developed(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    xtrans = write_raw(tmp_path / "x.dng", scene(516), pattern=XTRANS)
    run = run_nsp("inspect", noisy, xtrans)
    assert run.code == 0, run.err
    assert "nsp denoise would" in run.out
    assert "electrons at white" in run.out


def test_the_plot_has_both(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "plain.jpg")
    run = run_nsp("inspect", noisy, tmp_path / "plain.jpg", "--plot", tmp_path / "plot.png")
    assert run.code == 0, run.err
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.height > 600


@pytest.mark.parametrize("values", [(1e-4,), (1e-4, 1e-7, 2e-4), (-1e-4, 1e-7), (float("nan"), 1e-7)])
def test_what_cannot_be_is_not_stated(tmp_path: Path, values: tuple[float, ...]) -> None:
    profile = (51041, 12, len(values), values, True)
    assert stated_noise(write_raw(tmp_path / "a.dng", scene(), extra=[profile])) == ()


def test_it_may_be_stated_beside_the_preview(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16), np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(pixels, subifds=1, metadata=None)
        file.write(pixels, extratags=[(51041, 12, 2, STATED[:2], True)], metadata=None)
    assert stated_noise(tmp_path / "a.dng") == (STATED[:2],)


def test_files_that_state_nothing(tmp_path: Path) -> None:
    assert stated_noise(write_raw(tmp_path / "a.dng", scene())) == ()
    (tmp_path / "b.dng").write_bytes(b"II*\0" + struct.pack("<I", 8) + b"\xff" * 40)
    assert stated_noise(tmp_path / "b.dng") == ()
