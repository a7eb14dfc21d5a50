"""Simulated RAW: colours, clipping and noise are those that the camera says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nsp_cli.ops.bayer import SITES, bayer_masks
from nsp_cli.ops.transfer import linear_to_srgb, srgb_to_linear
from nsp_cli.training.raw.development import as_seen
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.mosaic import camera_light, exposed, sensor_noise_of
from nsp_cli.training.simulation.raw_camera import RawCamera, draw_raw_camera

CAMERA = replace(draw_raw_camera(generator_for(1)), exposure=1.0, blur=0.0, electrons=2000.0, read=5.0)
CPU = torch.device("cpu")


def cameras(count: int) -> list[RawCamera]:
    return [draw_raw_camera(generator_for(number)) for number in range(count)]


def taken(light: Tensor, camera: RawCamera, seed: int = 0) -> Tensor:
    return exposed(light, [camera], [generator_for(seed)])


def test_grey_stays_grey_in_all_cameras():
    for camera in cameras(50):
        light = camera_light(torch.full((1, 3, 16, 16), 0.4), [replace(camera, exposure=0.5)])
        assert (light - light.mean()).abs().max() < 1e-5


def test_development_undoes_the_camera():
    picture = torch.rand(1, 3, 16, 16) * 0.8 + 0.1
    light = camera_light(picture, [CAMERA])
    torch.testing.assert_close(as_seen(light, CAMERA.colours.inverse()[None]), picture, atol=2e-4, rtol=0)


def test_the_sensor_clips_each_colour_at_its_own_white():
    light = camera_light(torch.ones(1, 3, 8, 8), [replace(CAMERA, exposure=9.0)])
    torch.testing.assert_close(light.amax((0, 2, 3)), torch.tensor(CAMERA.gains))
    assert taken(light, CAMERA).max() <= max(CAMERA.gains) + 1e-6


def test_a_lens_blurs():
    picture = torch.zeros(1, 3, 17, 17)
    picture[..., 8, 8] = 0.8  # far from clipping, whatever the light
    sharp, soft = (camera_light(picture, [replace(CAMERA, blur=blur)]) for blur in (0.0, 0.8))
    assert soft.max() < 0.5 * sharp.max()
    torch.testing.assert_close(soft.sum(), sharp.sum(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("level", [0.0, 0.02, 0.3, 0.8])
def test_noise_is_what_networks_are_told(level):
    light = torch.full((1, 3, 512, 512), level)
    camera = replace(CAMERA, black=500.0, levels=15883.0)
    noise = (taken(light, camera) - level)[0, 0]
    slope, floor = sensor_noise_of([camera])[0]
    sites = noise.unfold(0, 2, 2).unfold(1, 2, 2).flatten(2).movedim(2, 0)
    for site, own in enumerate(sites):
        variance = float(slope[site] * level + floor[site])
        assert float(own.var()) == pytest.approx(variance, rel=0.03)
        assert abs(float(own.mean())) < 4 * (variance / own.numel()) ** 0.5


def test_the_file_rounds_and_ends_below_black():
    camera = replace(CAMERA, levels=4000.0, black=3.0, read=50.0)
    mosaic = taken(torch.zeros(1, 3, 64, 64), camera)[0, 0]
    gain = (torch.tensor(camera.gains)[:, None, None] * bayer_masks(64, 64, [(0, 0)], CPU)[0]).sum(0)
    steps = mosaic / gain * camera.levels
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert steps.min() == -3
    assert steps.max() > 3


def test_sites_have_the_noise_of_their_colours():
    slope, floor = sensor_noise_of([CAMERA])[0]
    assert slope.tolist() == pytest.approx([CAMERA.slope[colour] for colour in SITES])
    assert floor.tolist() == pytest.approx([CAMERA.floor[colour] for colour in SITES])


def test_cameras_are_like_real_ones():
    drawn = cameras(300)
    electrons = torch.tensor([camera.electrons for camera in drawn])
    assert electrons.min() < 100
    assert electrons.max() > 50_000
    assert all(camera.read < 40 and camera.levels > 3500 for camera in drawn)
    for camera in drawn:
        torch.testing.assert_close(camera.colours.sum(1), torch.ones(3))
        assert camera.colours.diagonal().min() > 0.45
        assert camera.colours.inverse().abs().sum(1).max() < 5.5  # 3.6 for a Canon EOS 5D Mark II
    assert 0.08 < sum(camera.exposure > 1.05 for camera in drawn) / 300 < 0.25


def test_development_is_srgb_inside_and_can_be_followed_back_outside():
    light = torch.linspace(-0.2, 2, 100).expand(1, 3, 1, 100).clone().requires_grad_()
    picture = as_seen(light, torch.eye(3)[None])
    inside = (light > 0) & (light < 1)
    torch.testing.assert_close(picture[inside], linear_to_srgb(light[inside]))
    torch.testing.assert_close(srgb_to_linear(picture[inside]), light[inside])
    assert (picture.diff() > 0).all()
    picture.sum().backward()
    assert light.grad.min() > 0.001
    assert light.grad.isfinite().all()
