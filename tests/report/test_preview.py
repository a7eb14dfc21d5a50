"""The draft: true to the whole photo's result, of chosen parts, on a sheet that harms nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from nsp_cli.ops.pixels import from_unit_range, pixels_to_tensor, tensor_to_pixels
from nsp_cli.photo import (
    Mosaic,
    Photo,
    SensorColours,
    SensorPicture,
    developed,
    labelled_sheet,
    read_photo,
    write_photo,
)
from nsp_cli.report import make_preview, make_raw_preview
from nsp_cli.report.preview import CROP_SIDE
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.mosaic_denoising import denoise_mosaic
from nsp_cli.restoration.strength import Strength
from tests.conftest import SHARED
from tests.scenes import scene, to_8_bits, white_noise


def noisy(height: int, width: int, level: float = 8) -> Photo:
    picture = scene(height, width)
    pixels = tensor_to_pixels(to_8_bits(picture + white_noise(picture.shape, level)))
    return Photo(np.ascontiguousarray(pixels), format="png")


@pytest.fixture(scope="module")
def photo() -> Photo:
    return noisy(700, 900)


@pytest.fixture(scope="module", params=["nsp-fast", "nsp-light"])
def restorer(request, bundled):
    return bundled(request.param)


@pytest.mark.parametrize("photo", [noisy(700, 900), noisy(180, 420)], ids=["large", "small"])
def test_crops_are_those_of_the_whole_photos_result(restorer, photo):
    preview = make_preview(restorer, photo, [1.5])
    whole, _ = pipeline.denoise_tensor(restorer, pixels_to_tensor(photo.pixels), strength=Strength(1.5, 1.5))
    (_, before), (_, after) = preview.versions
    for region, crop, same in zip(preview.regions, after, before, strict=True):
        place = slice(region.top, region.top + region.height), slice(region.left, region.left + region.width)
        assert (photo.pixels[place] == same).all()
        difference = np.abs(crop.astype(int) - tensor_to_pixels(whole)[place])
        assert difference.max() <= 1
        assert difference.mean() < 0.02
        assert np.abs(crop.astype(int) - same).mean() > 2


def test_bright_crops_of_a_dark_linear_photo_are_those_of_the_whole_photos_result(bundled):
    light = torch.full((3, 700, 900), 0.003)
    light[:, 150:550, 200:700] = 0.02 + 0.2 * scene(400, 500)
    light += white_noise(light.shape, 0.2)
    pixels = np.ascontiguousarray(tensor_to_pixels(from_unit_range(light, torch.uint16)))
    preview = make_preview(bundled("nsp-fast"), Photo(pixels, format="png"), [1.0])
    whole, plan = pipeline.denoise_tensor(bundled("nsp-fast"), pixels_to_tensor(pixels))
    assert plan.view.midtone is not None
    for region, crop in zip(preview.regions, preview.versions[1][1], strict=True):
        place = slice(region.top, region.top + region.height), slice(region.left, region.left + region.width)
        error = np.abs(crop - tensor_to_pixels(whole)[place] / 257)
        assert error.max() <= 2
        assert error.mean() < 0.5


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["canon-powershot-a85", "apple-iphone-4"])
def test_so_are_those_of_camera_photos(bundled, name):
    photo = read_photo(SHARED / "data/train/cameras" / f"{name}.jpg")
    test_crops_are_those_of_the_whole_photos_result(bundled("nsp-fast"), photo)


def test_the_network_answers_once_for_strengths_that_tell_it_the_same(bundled, photo, monkeypatch):
    restorer, asked = bundled("nsp-fast"), []
    answer = restorer.denoise
    monkeypatch.setattr(restorer, "denoise", lambda *a, **k: asked.append(k["noise"]) or answer(*a, **k))
    versions = make_preview(restorer, photo, [0, 0.5, 1, 1.5]).versions
    assert len(asked) == 2
    names, crops = zip(*versions, strict=True)
    assert names == ("noisy", "strength 0", "strength 0.5", "strength 1", "strength 1.5")
    assert (crops[0][0] == crops[1][0]).all()
    removed = [np.abs(crop[0].astype(int) - crops[0][0]).mean() for crop in crops]
    assert removed == sorted(removed)


def test_16_bits_transparency_and_progress(bundled, photo):
    deep = photo.pixels.astype(np.uint16) * 257
    deep_photo = Photo(deep, alpha=np.full(deep.shape[:2], 65535, np.uint16), format="png")
    seen = []
    preview = make_preview(bundled("nsp-fast"), deep_photo, [1, 2], lambda *step: seen.append(step))
    assert all(crop.dtype == np.uint8 for _, crops in preview.versions for crop in crops)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("size", [(5, 7), (40, 3000), (256, 256), (383, 384), (384, 384), (385, 401)])
def test_every_size_has_a_crop_inside_the_photo(bundled, size):
    preview = make_preview(bundled("nsp-fast"), noisy(*size), [1])
    assert 1 <= len(preview.regions) <= 3
    for region in preview.regions:
        assert 0 <= region.top <= region.top + region.height <= size[0]
        assert 0 <= region.left <= region.left + region.width <= size[1]
        assert max(region.height, region.width) <= CROP_SIDE
    assert {crop.shape[:2] for crop in preview.versions[1][1]} == {
        (r.height, r.width) for r in preview.regions
    }


def test_the_sheet_holds_every_picture_as_it_is():
    pictures = [np.full((30, 40, 3), value, np.uint8) for value in (3, 250, 90, 170)]
    sheet = labelled_sheet(["a", "b"], [("one", pictures[:2]), ("two", pictures[2:])])
    for picture in pictures:
        assert (sheet == picture[0, 0]).all(axis=2).sum() >= 30 * 40
    assert not (
        sheet[:, :40] == labelled_sheet(["x", "b"], [("one", pictures[:2]), ("two", pictures[2:])])[:, :40]
    ).all()


class TestCommand:
    @pytest.fixture
    def picture(self, tmp_path, photo):
        write_photo(photo, tmp_path / "night.png")
        return tmp_path / "night.png"

    def test_writes_a_sheet_beside_the_photo(self, run_nsp, picture):
        run = run_nsp("preview", picture)
        sheet = picture.with_name("night_preview.png")
        assert run.code == 0, run.err
        assert run.out == f"{sheet}\n"
        with Image.open(sheet) as image:
            assert image.width > 4 * CROP_SIDE
            assert image.height > CROP_SIDE
        assert "noise" in run.err

    def test_replaces_only_if_told(self, run_nsp, picture):
        sheet = picture.with_name("night_preview.png")
        sheet.write_bytes(b"mine")
        run = run_nsp("preview", picture)
        assert run.code == 1
        assert "--overwrite" in run.err
        assert sheet.read_bytes() == b"mine"
        assert run_nsp("preview", picture, "--overwrite", "--strengths", "1").code == 0
        assert sheet.read_bytes() != b"mine"

    @pytest.mark.parametrize("name", ["night.png", "sheet.jpg", "absent/sheet.png"])
    def test_places_where_no_sheet_may_go(self, run_nsp, picture, name):
        before = picture.read_bytes()
        run = run_nsp("preview", picture, "-o", picture.parent / name, "--overwrite")
        assert run.code == 1
        assert picture.read_bytes() == before

    def test_strengths_that_are_none(self, run_nsp, picture):
        assert run_nsp("preview", picture, "--strengths", "3").code == 2


def bayer_photo(flip: int) -> Photo:
    """A noisy photo of a Bayer sensor, with its mosaic; (700, 900) or (900, 700)."""
    gains = np.array([1.8, 1.0, 1.4], np.float32)
    light = 0.6 * scene(700, 900).clamp(0, 1).square().permute(1, 2, 0).numpy() / gains
    rows, columns = np.mgrid[:700, :900]
    colour = (rows % 2 + columns % 2)[..., None]
    seen = np.take_along_axis(light, colour, 2)[..., 0]
    seen = seen + np.random.default_rng(0).normal(size=seen.shape) * np.sqrt(2e-3 * seen + 1e-6)
    samples = np.rint(500 + 15000 * seen).clip(0, 16383).astype(np.uint16)
    colours = SensorColours(gains, np.eye(3, dtype=np.float32), gains)
    mosaic = Mosaic(samples, (0, 0), np.array([500, 500, 500, 500], np.float32), 15000, colours, flip)
    picture = SensorPicture(mosaic.upright((65535 * light).astype(np.uint16)), colours)
    return Photo(developed(picture), format="raw", mosaic=mosaic)


@pytest.mark.parametrize("flip", [0, 3, 5, 6])
def test_crops_of_camera_raw_are_those_of_the_whole_photos_result(bundled, flip):
    photo, restorer = bayer_photo(flip), bundled("nsp-raw")
    preview = make_raw_preview(restorer, photo, [0.5, 1.0])
    assert [name for name, _ in preview.versions] == ["noisy", "strength 0.5", "strength 1"]
    assert preview.noise.startswith("noise of the sensor")
    for index, strength in ((1, 0.5), (2, 1.0)):
        made = denoise_mosaic(restorer, photo.mosaic, strength=Strength(strength, strength))
        whole = developed(made.picture) / 257
        for region, crop in zip(preview.regions, preview.versions[index][1], strict=True):
            place = (
                slice(region.top, region.top + region.height),
                slice(region.left, region.left + region.width),
            )
            difference = np.abs(crop - whole[place])
            assert difference.mean() < 0.3  # rounding to 8 bits alone makes 0.25
            assert difference.max() <= 2
