"""nsp denoise and nsp upscale on camera RAW: what the sensor saw is denoised before it is developed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from raw_files import RGB_SENSOR, XTRANS, patch_means, scene, write_raw
from skimage import data

from nsp_cli.photo import Photo, read_photo, read_provenance
from nsp_cli.report import Version, raw_strength_versions

WARM = RGB_SENSOR * np.array([[0.5], [1.0], [0.7]])
ELECTRONS = 500.0


def clean_light() -> Any:
    """Linear sRGB of a photo of scikit-image, as sharp as a lens makes it, (256, 384, 3)."""
    photo = data.chelsea()[20:276, 30:414] / 255
    return np.where(photo <= 0.04045, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4)


def write_noisy(path: Path, light: Any, **options: Any) -> Path:
    """A DNG with the shot noise of 500 electrons at white."""
    seen = np.random.default_rng(0).poisson(ELECTRONS * np.clip(light @ WARM.T, 0, 1)) / ELECTRONS
    # `write_raw` multiplies by the sensor's matrix again.
    return write_raw(path, seen @ np.linalg.inv(WARM).T, sensor=WARM, **options)


def error(photo: Photo, truth: Any) -> float:
    return float(np.sqrt(np.mean((photo.pixels - truth) ** 2)))


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    return write_noisy(tmp_path / "shot.dng", clean_light())


def test_the_result_has_less_noise_and_the_same_colours(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    run = run_nsp("denoise", noisy)
    assert run.code == 0, run.err
    assert "nsp-raw works on what the sensor saw" in run.err
    assert "noise of the sensor" in run.err
    result = read_photo(tmp_path / "shot_denoised.tif")
    light = clean_light()
    truth = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 65535
    assert error(result, truth) < 0.5 * error(read_photo(noisy), truth)
    np.testing.assert_allclose(result.pixels.mean((0, 1)), truth.mean((0, 1)), rtol=0.01)
    made = read_provenance(tmp_path / "shot_denoised.tif")
    assert made is not None
    assert made.weights == "nsp-raw"


def test_flat_colours_stay(run_nsp: Any, tmp_path: Path) -> None:
    path = write_noisy(tmp_path / "a.dng", scene())
    assert run_nsp("denoise", path).code == 0
    light = patch_means(read_photo(tmp_path / "a_denoised.tif").pixels)
    np.testing.assert_allclose(light, scene()[0, 48::96], atol=0.006)


def test_a_run_goes_on_where_it_ended_whatever_the_sensor(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    xtrans = write_raw(tmp_path / "xtrans.dng", scene(516), pattern=XTRANS)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "plain.jpg")
    photos = (noisy, xtrans, tmp_path / "plain.jpg")
    run = run_nsp("denoise", *photos, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert "developed by LibRaw before denoising, because of a sensor without Bayer's pattern" in run.err
    made = [read_provenance(tmp_path / "out" / name) for name in ("shot.tif", "xtrans.tif")]
    assert [one and one.weights for one in made] == ["nsp-raw", "nsp-fast"]
    again = run_nsp("denoise", *photos, "-o", tmp_path / "out")
    assert "3 skipped" in again.err


def test_weights_for_raw_can_be_named_and_others_work_on_developed_pixels(
    run_nsp: Any, noisy: Path, tmp_path: Path
) -> None:
    for name, options in {"auto": (), "raw": ("-m", "nsp-raw"), "fast": ("-m", "nsp-fast")}.items():
        assert run_nsp("denoise", noisy, "-o", tmp_path / name, *options).code == 0
    auto, named, developed = (
        read_photo(tmp_path / name / "shot.tif").pixels for name in ("auto", "raw", "fast")
    )
    assert (auto == named).all()
    assert (auto != developed).any()


@pytest.mark.parametrize("command", [("preview",), ("compare", "--strengths", "1")])
def test_weights_for_raw_are_for_raw_alone(run_nsp: Any, noisy: Path, command: Any) -> None:
    run = run_nsp(command[0], noisy, *command[1:], "-m", "nsp-raw")
    assert run.code == 0, run.err
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(noisy.with_name("plain.png"))
    run = run_nsp(command[0], noisy.with_name("plain.png"), *command[1:], "-m", "nsp-raw")
    assert run.code == 1
    assert "photos of a Bayer sensor" in run.err


def test_weights_for_raw_do_not_teach(run_nsp: Any, tmp_path: Path) -> None:
    run = run_nsp("distill", tmp_path, "--teacher", "nsp-raw", "-o", tmp_path / "a.safetensors")
    assert run.code == 2
    assert "nsp-raw" in run.err


def test_a_result_of_named_weights_is_not_taken_for_the_default(
    run_nsp: Any, noisy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run_nsp("denoise", noisy, "-o", out, "-m", "nsp-fast").code == 0
    refused = run_nsp("denoise", noisy, "-o", out)
    assert refused.code == 1
    assert "other weights" in " ".join(refused.err.split())
    assert run_nsp("denoise", noisy, "-o", out, "--overwrite").code == 0
    made = read_provenance(out / "shot.tif")
    assert made is not None
    assert made.weights == "nsp-raw"


@pytest.mark.parametrize("black", [0, 512])
def test_a_dark_photo_is_denoised_too(run_nsp: Any, tmp_path: Path, black: int) -> None:
    random = np.random.default_rng(0)
    light = np.full((192, 256, 3), 0.012)
    seen = random.poisson(250 * np.clip(light @ WARM.T, 0, 1)) / 250
    seen = seen + random.normal(size=seen.shape) * 3 / 250
    path = write_raw(
        tmp_path / "a.dng", seen @ np.linalg.inv(WARM).T, sensor=WARM, black=(black,) * 4 if black else ()
    )
    run = run_nsp("denoise", path, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert "could not be measured" not in run.err
    before, after = read_photo(path).pixels, read_photo(tmp_path / "out" / "a.tif").pixels
    assert after[16:-16, 16:-16].std() < 0.4 * before[16:-16, 16:-16].std()


def test_an_enlargement_of_another_strength_starts_from_the_developed_photo(
    run_nsp: Any, noisy: Path, tmp_path: Path
) -> None:
    assert run_nsp("upscale", noisy, "--strength", "0.5").code == 0
    made = read_provenance(tmp_path / "shot_x2.tif")
    assert made is not None
    assert made.weights == "nsp-fast-x2"


def test_an_enlargement_starts_from_the_denoised_sensor(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    run = run_nsp("upscale", noisy)
    assert run.code == 0, run.err
    result = read_photo(tmp_path / "shot_x2.tif")
    assert result.pixels.shape == (512, 768, 3)
    made = read_provenance(tmp_path / "shot_x2.tif")
    assert made is not None
    assert made.weights == "nsp-raw, nsp-fast-x2"
    run_nsp("denoise", noisy)
    small = read_photo(tmp_path / "shot_denoised.tif").pixels
    mean = result.pixels.reshape(256, 2, 384, 2, 3).mean((1, 3))
    assert np.abs(mean - small).mean() / 257 < 3


def test_hot_pixels_are_removed_unless_they_are_to_be_kept(run_nsp: Any, tmp_path: Path) -> None:
    light = np.full((128, 192, 3), 0.02)
    light[40, 61] = light[81, 100] = 0.9
    path = write_noisy(tmp_path / "a.dng", light)
    run = run_nsp("denoise", path, "-o", tmp_path / "out")
    assert "2 hot pixels removed" in run.err
    kept = run_nsp("denoise", path, "-o", tmp_path / "kept", "--keep-hot-pixels")
    assert "hot pixel" not in kept.err
    removed, stayed = (read_photo(tmp_path / folder / "a.tif").pixels for folder in ("out", "kept"))
    assert removed.max() < 1.3 * np.median(removed)
    assert stayed.max() > removed.max()
    assert "done before" in run_nsp("denoise", path, "-o", tmp_path / "out").err
    assert run_nsp("denoise", path, "-o", tmp_path / "out", "--keep-hot-pixels").code == 1  # other settings


def test_versions_of_a_comparison_keep_hot_pixels_if_they_are_to_be_kept(
    bundled: Any, tmp_path: Path
) -> None:
    light = np.full((128, 192, 3), 0.02)
    light[40, 61] = 0.9
    photo = read_photo(write_noisy(tmp_path / "a.dng", light), keep_mosaic=True)
    before = Version("before", "a.dng", photo)
    gone, kept = (
        raw_strength_versions(bundled("nsp-raw"), before, photo.mosaic, [1.0], keep_hot_pixels=keep)[
            0
        ].photo.pixels.max()
        for keep in (False, True)
    )
    assert kept > 1.5 * gone


def light_of(dng: Path) -> Any:
    with tifffile.TiffFile(dng) as file:
        return file.pages[0].pages[0].asarray()


def test_exposure_and_dng(run_nsp: Any, noisy: Path, tmp_path: Path) -> None:
    for name, options in {"plain": (), "bright": ("--raw-exposure", 1)}.items():
        run = run_nsp("denoise", noisy, "-o", tmp_path / name, "--format", "dng", *options)
        assert run.code == 0, run.err
    plain, bright = (read_photo(tmp_path / name / "shot.dng") for name in ("plain", "bright"))
    for name, dng in {"plain": plain, "bright": bright}.items():
        exposure = ("--raw-exposure", 1) if name == "bright" else ()
        assert run_nsp("denoise", noisy, "-o", tmp_path / name, *exposure).code == 0
        tiff = read_photo(tmp_path / name / "shot.tif")
        assert np.abs(dng.pixels.astype(int) - tiff.pixels).mean() < 40
    one, other = (light_of(tmp_path / name / "shot.dng") for name in ("plain", "bright"))
    assert (one == other).all()
