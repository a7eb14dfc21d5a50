"""Hot pixels of developed photos are removed by every command that denoises, unless they are to be kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsp_cli.photo import Photo, read_photo, read_provenance, write_photo
from nsp_cli.report.versions import Version, strength_versions

PLACES = [(row, column) for row in (40, 90) for column in (30, 80, 130)]
DOT = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def noisy_pixels() -> Any:
    pixels = 0.1 + np.random.default_rng(0).normal(0, 6 / 255, (144, 176, 3))
    for number, (row, column) in enumerate(PLACES):
        pixels[row - 1 : row + 2, column - 1 : column + 2, number % 3] += 0.6 * DOT
    return np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    write_photo(Photo(noisy_pixels()), path)
    return path


def peak(path: Path) -> int:
    """Brightest value where hot pixels were, of the photo or its enlargement."""
    pixels = read_photo(path).pixels
    scale = len(pixels) // 144
    return max(int(pixels[row * scale, column * scale].max()) for row, column in PLACES)


@pytest.mark.parametrize("command", ["denoise", "upscale"])
def test_they_are_removed_unless_they_are_to_be_kept(
    run_nsp: Any, photo: Path, tmp_path: Path, command: str
) -> None:
    out = tmp_path / "out" / "a.png"
    run = run_nsp(command, photo, "-o", tmp_path / "out")
    assert "6 hot pixels removed" in run.err
    kept = run_nsp(command, photo, "-o", tmp_path / "kept", "--keep-hot-pixels")
    assert "hot pixel" not in kept.err
    assert peak(tmp_path / "kept" / "a.png") > peak(out) + 25
    made, other = read_provenance(tmp_path / "kept" / "a.png"), read_provenance(out)
    assert made is not None
    assert other is not None
    assert json.loads(made.settings)["keep_hot_pixels"] is True
    assert "keep_hot_pixels" not in other.settings
    assert "done before" in run_nsp(command, photo, "-o", tmp_path / "out").err
    assert run_nsp(command, photo, "-o", tmp_path / "out", "--keep-hot-pixels").code == 1  # other settings


def test_transparency_stays(run_nsp: Any, tmp_path: Path) -> None:
    alpha = np.full((144, 176), 255, np.uint8)
    alpha[:, :20] = 0
    path = tmp_path / "a.png"
    write_photo(Photo(noisy_pixels(), alpha=alpha), path)
    assert "6 hot pixels removed" in run_nsp("denoise", path, "-o", tmp_path / "out").err
    result = read_photo(tmp_path / "out" / "a.png")
    assert np.array_equal(result.alpha, alpha)
    assert np.array_equal(result.pixels[:, :20], read_photo(path).pixels[:, :20])


def test_versions_of_a_comparison_keep_them_and_say_so(bundled: Any, photo: Path) -> None:
    before = Version("before", "a.png", read_photo(photo))
    found = [
        strength_versions(bundled("nsp-fast"), before, [1.0], keep_hot_pixels=keep)[0]
        for keep in (False, True)
    ]
    gone, kept = (int(one.photo.pixels[40, 30].max()) for one in found)
    assert kept > gone + 25
    assert [one.settings.get("keep_hot_pixels") for one in found] == [None, True]


def test_a_preview_and_a_comparison_keep_them_too(run_nsp: Any, photo: Path, tmp_path: Path) -> None:
    for command, result in (
        (("preview", photo, "--strengths", "1"), "a.png"),
        (("compare", photo, "--strengths", "1"), "a.html"),
    ):
        made = []
        for folder, options in (("gone", ()), ("kept", ("--keep-hot-pixels",))):
            (tmp_path / folder).mkdir(exist_ok=True)
            run = run_nsp(*command, "-o", tmp_path / folder / result, *options)
            assert run.code == 0, run.err
            made.append((tmp_path / folder / result).read_bytes())
        assert made[0] != made[1]
