"""Noise of a sensor from its mosaic: right on scenes with flat places, and not far too high on texture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise import mosaic_squares
from nsp_cli.noise.mosaic_squares import TELLING, squares_of
from nsp_cli.noise.sensor_noise import MosaicNoise, estimate_sensor_noise
from nsp_cli.ops.bayer import bayer_masks
from nsp_cli.training.simulation.blur import gaussian_blurred

CPU = torch.device("cpu")
SIGNALS = (0.02, 0.1, 0.4, 0.8)


def shapes(side: int, seed: int = 0) -> Tensor:
    """Returns (3, S, S) in [0, 1]: rectangles of random colours on a ground that changes slowly."""
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0.02, 0.6, side)
    light = (ramp[:, None] * ramp / 0.6).expand(3, side, side).clone()
    for _ in range(60):
        top, left = torch.randint(side - 40, (2,), generator=generator).tolist()
        height, width = torch.randint(20, side // 3, (2,), generator=generator).tolist()
        colour = torch.rand(3, 1, 1, generator=generator) ** 2
        light[:, top : top + height, left : left + width] = colour
    return light


def textured(light: Tensor, contrast: float, seed: int = 1) -> Tensor:
    """Returns the scene with texture of all scales down to two pixels everywhere."""
    generator = torch.Generator().manual_seed(seed)
    side, texture = light.shape[-1], torch.zeros(light.shape[-2:])
    for size in (2, 4, 8, 16):
        coarse = torch.randn(1, 1, side // size, side // size, generator=generator)
        texture += functional.interpolate(coarse, (side, side), mode="bilinear")[0, 0]
    return (light * (contrast * texture).exp()).clamp(0, 1)


def taken(light: Tensor, slope: float, floor: float, phase: tuple[int, int] = (0, 0)) -> Tensor:
    """Returns the mosaic of a scene with noise of known variance; white is clipped."""
    generator = torch.Generator().manual_seed(2)
    mosaic = (light * bayer_masks(*light.shape[1:], [phase], CPU)[0]).sum(0)
    noise = (slope * mosaic + floor).sqrt() * torch.randn(mosaic.shape, generator=generator)
    return (mosaic + noise).clamp(max=1)


def ratios(found: MosaicNoise | None, slope: float, floor: float) -> list[float]:
    """Returns found over true deviation of all colours at some signals."""
    assert found is not None
    return [
        found.deviation(colour, signal) / (slope * signal + floor) ** 0.5
        for colour in range(3)
        for signal in SIGNALS
    ]


@pytest.mark.parametrize("electrons", [250, 1000, 4000, 16000, 64000])
@pytest.mark.parametrize("phase", [(0, 0), (1, 1), (0, 1)])
def test_a_usual_scene_tells_its_noise(electrons, phase):
    slope, floor = 1 / electrons, (3 / electrons) ** 2
    found = estimate_sensor_noise(taken(shapes(512), slope, floor, phase), phase)
    assert ratios(found, slope, floor) == pytest.approx([1] * 12, abs=0.1)


@pytest.mark.parametrize("electrons", [250, 1000, 4000])
def test_texture_everywhere_adds_little(electrons):
    slope, floor = 1 / electrons, (3 / electrons) ** 2
    found = estimate_sensor_noise(taken(textured(shapes(512), 0.05), slope, floor))
    assert all(0.85 < ratio < 1.35 for ratio in ratios(found, slope, floor))


def sand(side: int, contrast: float, seed: int = 0) -> Tensor:
    """Returns a scene without any flat place: texture from a pixel up, blurred as by a lens."""
    generator = torch.Generator().manual_seed(seed)
    texture = torch.zeros(1, 1, side, side)
    for size in (1, 2, 4):
        coarse = torch.randn(1, 1, side // size, side // size, generator=generator)
        texture += functional.interpolate(coarse, (side, side), mode="bilinear")
    [texture] = gaussian_blurred(texture, [0.6], 3)
    ground = torch.linspace(0.02, 0.4, side).expand(side, side)
    colour = torch.tensor([0.5, 1.0, 0.6])[:, None, None]
    return (colour * ground * (contrast * texture).exp()).clamp(0, 1)


@pytest.mark.parametrize("contrast", [0.05, 0.15])
@pytest.mark.parametrize("electrons", [64000, 16000, 1000])
def test_sand_is_not_taken_for_noise(electrons, contrast):
    """At low ISO its texture is far stronger than the noise; then less noise may be found, but not more."""
    slope, floor = 1 / electrons, (3 / electrons) ** 2
    light = sand(768, contrast)
    found = estimate_sensor_noise(taken(light, slope, floor))
    assert found is not None
    ratio = found.deviation(1, 0.18) / (slope * 0.18 + floor) ** 0.5
    assert (0.3 if electrons > 10000 else 0.8) < ratio < 1.3


def test_greens_that_differ_a_little_are_no_noise():
    slope, floor = 1 / 64000, (3 / 64000) ** 2
    mosaic = taken(shapes(512), slope, floor)
    mosaic[1::2, ::2] *= 1.02
    assert ratios(estimate_sensor_noise(mosaic), slope, floor) == pytest.approx([1] * 12, abs=0.12)


def test_flat_squares_are_not_chosen_for_their_little_noise():
    noise = 0.01 * torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0))
    squares = squares_of(0.5 + noise, None)
    for colour in range(3):
        own = squares[squares.colour == colour]
        assert own.variance.mean() == pytest.approx(1e-4, rel=0.03)
        assert 2 * (own.variance.mean() / own.variance.std()) ** 2 == pytest.approx(TELLING[colour], rel=0.1)
        flattest = own[own.unrest < own.unrest.quantile(0.1)]
        assert flattest.variance.mean() == pytest.approx(1e-4, rel=0.1)


def test_clipped_places_do_not_count():
    slope, floor = 1 / 1000, (3 / 1000) ** 2
    light = shapes(512)
    light[:, :256] = 1.5  # half the picture is white
    found = estimate_sensor_noise(taken(light, slope, floor))
    assert ratios(found, slope, floor) == pytest.approx([1] * 12, abs=0.1)


def test_what_is_cut_off_at_black_does_not_count():
    """A file that holds nothing below black shows half the noise there."""
    slope, floor = 1 / 500, (8 / 500) ** 2
    light = shapes(1024)
    light[:, :, :256] = 0
    mosaic = taken(light, slope, floor).clamp(min=0)
    found = estimate_sensor_noise(mosaic, lowest=0)
    assert ratios(found, slope, floor) == pytest.approx([1] * 12, abs=0.15)
    assert estimate_sensor_noise(torch.zeros(64, 64), lowest=0) is None


def test_hot_pixels_do_not_count():
    slope, floor = 1 / 1000, (3 / 1000) ** 2
    mosaic = taken(shapes(512), slope, floor)
    hot = torch.rand(mosaic.shape, generator=torch.Generator().manual_seed(3)) < 5e-4
    found = estimate_sensor_noise(torch.where(hot, 0.95, mosaic))
    assert ratios(found, slope, floor) == pytest.approx([1] * 12, abs=0.12)


def test_a_colour_may_have_noise_of_its_own():
    """Some makers multiply a colour before they write the file."""
    slope, floor, gain = 1 / 1000, (3 / 1000) ** 2, 1.6
    light = shapes(1024) / gain
    mosaic = taken(light, slope, floor)
    is_red = bayer_masks(1024, 1024, [(0, 0)], CPU)[0, 0] > 0
    found = estimate_sensor_noise(torch.where(is_red, gain * mosaic, mosaic))
    assert found is not None
    assert found.slope[0] / found.slope[1] == pytest.approx(gain, rel=0.15)
    assert found.slope[2] / found.slope[1] == pytest.approx(1, rel=0.15)


def test_rounding_is_the_least_noise():
    step = 1 / 255
    light = shapes(512)
    found = estimate_sensor_noise((light.mean(0) / step).round() * step, step=step)
    assert found is not None
    assert min(found.floor) >= 0.9 * step**2 / 12


def test_noise_after_white_balance():
    noise = MosaicNoise((1e-3, 2e-3, 3e-3), (1e-6, 2e-6, 3e-6), 100)
    slope, floor = noise.of_sites((2.0, 1.0, 1.5))
    torch.testing.assert_close(slope, torch.tensor([2e-3, 2e-3, 2e-3, 4.5e-3]))
    torch.testing.assert_close(floor, torch.tensor([4e-6, 2e-6, 2e-6, 6.75e-6]))


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (1, 1)])
def test_too_small_a_mosaic_tells_nothing(size):
    assert estimate_sensor_noise(torch.rand(size)) is None


def test_strips_tell_what_the_whole_mosaic_tells(monkeypatch):
    mosaic = taken(shapes(600), 1 / 1000, (3 / 1000) ** 2)
    in_strips = squares_of(mosaic, None)
    monkeypatch.setattr(mosaic_squares, "_ROWS", 1 << 20)
    whole = squares_of(mosaic, None)
    for strips, one in zip(in_strips.parts, whole.parts, strict=True):
        assert strips.sort().values == pytest.approx(one.sort().values, rel=0.1, abs=1e-6)
    assert in_strips.variance.mean() == pytest.approx(float(whole.variance.mean()), rel=0.01)
