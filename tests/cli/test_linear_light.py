"""Photos in linear light are denoised as people see them, and their results are linear again."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from nsp_cli.photo import Photo, read_photo, write_photo
from nsp_cli.photo.built_profile import Primaries, built_profile

SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
NOISE = 10 / 255


def to_light(values: Any) -> Any:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(light: Any) -> Any:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def clean() -> Any:
    return data.astronaut()[:192, 120:376] / 255


def noisy() -> Any:
    noise = np.random.default_rng(0).normal(0, NOISE, clean().shape)
    return np.clip(clean() + noise, 0, 1)


def sixteen(values: Any) -> Any:
    return np.rint(65535 * values).astype(np.uint16)


def as_linear_png(path: Path) -> Path:
    """A PNG that states gamma 1 by a chunk, as scanners and 3-D programs write it."""
    write_photo(Photo(sixteen(to_light(noisy()))), path)
    body = b"gAMA" + struct.pack(">I", 100_000)
    made = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    content = path.read_bytes()
    path.write_bytes(content[:33] + made + content[33:])
    return path


def as_linear_tiff(path: Path, exponent: float = 1.0) -> Path:
    profile = built_profile("linear", SRGB, exponent)
    write_photo(Photo(sixteen(to_light(noisy()) ** (1 / exponent)), icc_profile=profile), path)
    return path


def difference(one: Any, other: Any) -> float:
    return float(255 * np.sqrt(np.mean((one - other) ** 2)))


def denoised(run_nsp: Any, path: Path, *options: str) -> Any:
    run = run_nsp("denoise", path, *options)
    assert run.code == 0, run.err
    return read_photo(path.with_stem(path.stem + "_denoised")).pixels / 65535


@pytest.fixture
def usual(run_nsp: Any, tmp_path: Path) -> Any:
    """Result for the same picture in sRGB."""
    path = tmp_path / "usual.png"
    write_photo(Photo(sixteen(noisy())), path)
    return denoised(run_nsp, path)


def test_light_is_denoised_as_the_same_picture_in_srgb(run_nsp: Any, tmp_path: Path, usual: Any) -> None:
    assert difference(usual, clean()) < 0.5 * difference(noisy(), clean())
    for path in (as_linear_png(tmp_path / "a.png"), as_linear_tiff(tmp_path / "b.tif")):
        assert difference(to_srgb(denoised(run_nsp, path)), usual) < 0.2, path


def test_nearly_linear_light_too(run_nsp: Any, tmp_path: Path, usual: Any) -> None:
    result = denoised(run_nsp, as_linear_tiff(tmp_path / "a.tif", 1.2))
    assert difference(to_srgb(result**1.2), usual) < 0.2


def test_black_and_white_stay_and_strength_0_changes_nothing(run_nsp: Any, tmp_path: Path) -> None:
    path = as_linear_png(tmp_path / "a.png")
    assert (sixteen(denoised(run_nsp, path, "--strength", "0")) == read_photo(path).pixels).all()
    for name, value in (("black", 0), ("white", 65535)):
        pixels = sixteen(to_light(noisy()))
        pixels[:, :128] = value
        path = tmp_path / f"{name}.tif"
        write_photo(Photo(pixels, icc_profile=built_profile("linear", SRGB, 1.0)), path)
        assert abs(sixteen(denoised(run_nsp, path))[:, 16:96].astype(int) - value).max() <= 257


def test_inspect_tells_the_noise_that_people_see(run_nsp: Any, tmp_path: Path) -> None:
    run = run_nsp("inspect", as_linear_png(tmp_path / "a.png"), "--json")
    assert run.code == 0, run.err
    assert 8 < json.loads(run.out)[0]["luma"] < 12
