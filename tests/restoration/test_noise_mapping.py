"""The bundled estimator over a photo: the same for any tiles, on photos of any size and type."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.networks.noise_map import NoiseMapNetwork
from nsp_cli.ops.pixels import from_unit_range
from nsp_cli.resources import side_by_side
from nsp_cli.restoration import noise_mapping
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.noise_mapping import map_noise
from tests.scenes import scene, to_8_bits, white_noise

CPU = torch.device("cpu")


def noisy(height: int = 181, width: int = 203) -> torch.Tensor:
    light = scene(height, width)
    light[..., width // 2 :] += white_noise((3, height, width - width // 2), 10)
    return light.clamp(0, 1)


@pytest.mark.parametrize("core", [8, 50, 96])
def test_tiles_leave_no_trace(core):
    photo = to_8_bits(noisy())
    whole, tiled = (map_noise(photo, Execution(CPU, torch.float32, side)).bands for side in (1 << 20, core))
    torch.testing.assert_close(tiled, whole, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("strip", [1, 20_000, 1 << 24])
@pytest.mark.parametrize("shape", [(181, 203), (8, 203), (300, 9)])
def test_rows_are_those_of_the_whole_photo(monkeypatch, strip, shape):
    monkeypatch.setattr(noise_mapping, "_STRIP_PIXELS", strip)
    photo = to_8_bits(noisy(*shape))
    whole, in_rows = (map_noise(photo, Execution(CPU, torch.float32, core)).bands for core in (1 << 20, None))
    torch.testing.assert_close(in_rows, whole, rtol=1e-3, atol=1e-5)


def test_halves_side_by_side_are_those_of_the_whole_photo(monkeypatch):
    halves, photo = [], to_8_bits(noisy(1003, 60))
    monkeypatch.setattr(noise_mapping, "parts_at_once", lambda: 2)
    monkeypatch.setattr(
        noise_mapping, "side_by_side", lambda parts: halves.append(len(parts)) or side_by_side(parts)
    )
    whole, in_halves = (
        map_noise(photo, Execution(CPU, torch.float32, core)).bands for core in (1 << 20, None)
    )
    torch.testing.assert_close(in_halves, whole, rtol=1e-3, atol=1e-5)
    assert halves == [2]


@pytest.mark.parametrize("core", [None, 64])
def test_what_is_not_finite_is_repeated_in_float32(monkeypatch, core):
    begin = NoiseMapNetwork.begin

    def overflowing(network, x):
        cells, levels = begin(network, x)
        return cells * (1 if cells.dtype == torch.float32 else torch.inf), levels

    photo = to_8_bits(noisy())
    exact = map_noise(photo, Execution(CPU, torch.float32, core)).bands
    monkeypatch.setattr(NoiseMapNetwork, "begin", overflowing)
    assert torch.equal(map_noise(photo, Execution(CPU, torch.bfloat16, core)).bands, exact)


def test_it_has_the_level_of_each_place():
    levels = map_noise(to_8_bits(noisy(320, 400))).local_luma * 255
    assert levels.shape == (40, 50)
    assert levels[:, :20].median() < 1
    assert float(levels[:, 30:].median()) == pytest.approx(10, rel=0.25)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_any_type_of_photo_has_the_same_noise(dtype):
    light = (scene(181, 203) + white_noise((3, 181, 203), 10)).clamp(0, 1)
    assert map_noise(from_unit_range(light, dtype)).luma == pytest.approx(map_noise(light).luma, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (9, 16), (17, 23)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_any_size_has_a_cell_for_every_eight_pixels(shape, dtype):
    found = map_noise(from_unit_range(torch.rand(3, *shape), dtype))
    assert found.bands.shape == (6, -(-shape[0] // 8), -(-shape[1] // 8))
    assert found.bands.isfinite().all()


@pytest.mark.parametrize("light", [0.0, 0.5, 1.0])
def test_an_even_photo_is_clean(light):
    assert map_noise(from_unit_range(torch.full((3, 70, 90), light), torch.uint8)).is_clean


def test_a_photo_with_nothing_to_see_is_clean_whatever_the_network_says(monkeypatch):
    def answer(_network, features, *_whole):
        return torch.ones(1, 6, *features.shape[2:])

    monkeypatch.setattr(NoiseMapNetwork, "answer", answer)
    assert map_noise(torch.full((3, 70, 90), 100, dtype=torch.uint8)).is_clean
    # Where noise is visible, no answer is changed.
    assert (map_noise(to_8_bits(noisy())).bands == 0.1).all()
