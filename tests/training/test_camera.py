"""The simulated camera: its noise has the level, colour and smoothness of its settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nsp_cli.noise.conditioning import bands_of_residual
from nsp_cli.ops.block_dct import to_luma_chroma
from nsp_cli.training.simulation.camera import Camera, camera_noise, draw_camera
from nsp_cli.training.simulation.noise_reduction import (
    NoiseReduction,
    draw_noise_reduction,
    reduced_noise,
)
from nsp_cli.training.simulation.sensor import SensorNoise

PLAIN = Camera(
    sensor=SensorNoise(0.0, 1.0, (1.0, 1.0)),
    phase=None,
    luma=8 / 255,
    chroma=4 / 255,
    luma_width=0.0,
    chroma_width=0.0,
    floor=0.0,
    blotches=0.0,
    blotch_width=3.0,
    sharpening=0.0,
    mixing=0.0,
)
GREY = torch.full((3, 128, 128), 0.5)


def noise_of(camera: Camera, clean: Tensor = GREY, seed: int = 0) -> Tensor:
    return camera_noise(clean[None], [camera], [torch.Generator().manual_seed(seed)])[0]


@pytest.mark.parametrize("camera", [PLAIN, replace(PLAIN, phase=(0, 1), mixing=1.0, luma_width=1.0)])
def test_levels_are_those_of_the_camera(camera):
    luma, *chroma = to_luma_chroma(noise_of(camera))
    assert float(luma.std()) == pytest.approx(8 / 255, rel=0.03)
    assert float(torch.stack(chroma).square().mean().sqrt()) == pytest.approx(4 / 255, rel=0.06)


def test_smoothing_removes_fine_noise_and_blotches_add_coarse_noise():
    white, smooth, blotchy = (
        bands_of_residual(noise_of(camera))
        for camera in (PLAIN, replace(PLAIN, luma_width=1.0), replace(PLAIN, blotches=0.7))
    )
    assert white[0] == pytest.approx(float(white[2]), rel=0.2)
    assert smooth[0] > 5 * smooth[2]
    assert blotchy[0] > 2 * blotchy[2]
    assert smooth[3] == pytest.approx(float(white[3]), rel=0.2)  # chroma has its own width


def test_sharpening_adds_fine_noise():
    assert (
        bands_of_residual(noise_of(replace(PLAIN, sharpening=1.0)))[2] > bands_of_residual(noise_of(PLAIN))[2]
    )


def test_shot_noise_grows_with_linear_light():
    """Read noise shrinks towards the highlights, where the tone curve is flat; shot noise shrinks less."""
    halves = GREY.clone()
    halves[..., :64], halves[..., 64:] = 0.2, 0.8
    for sensor, ratio in ((SensorNoise(0.0, 1.0, (1, 1)), 0.184), (SensorNoise(1.0, 0.0, (1, 1)), 0.785)):
        noise = noise_of(replace(PLAIN, sensor=sensor), halves)
        assert float(noise[..., 64:].std() / noise[..., :64].std()) == pytest.approx(ratio, rel=0.1)


def half_textured(deviation: float) -> Tensor:
    """A picture with a flat left half and texture in the right half."""
    texture = torch.randn(1, 128, 64, generator=torch.Generator().manual_seed(2)) * deviation
    return torch.cat([GREY[..., :64], GREY[..., 64:] + texture], 2).clamp(0, 1)


def test_noise_reduction_leaves_more_noise_on_texture_than_in_flat_places():
    reduction = NoiseReduction(threshold=1.0, strength=1.0, width=1.5)
    noise = noise_of(PLAIN)
    left = reduced_noise(noise, half_textured(0.15), reduction)
    assert left[..., 68:].std() > 3 * left[..., :60].std()
    assert left[..., 68:].std() > 0.9 * noise[..., 68:].std()


def test_what_is_flat_depends_on_the_noise():
    reduction, picture = NoiseReduction(threshold=1.0, strength=1.0, width=1.5), half_textured(0.03)
    kept = [
        float((reduced_noise(noise, picture, reduction)[..., 68:]).std() / noise[..., 68:].std())
        for noise in (noise_of(replace(PLAIN, luma=level, chroma=level)) for level in (0.005, 0.1))
    ]
    assert kept[0] > 0.9
    assert kept[1] < 0.5


def test_noise_reduction_is_as_strong_as_it_is_drawn():
    drawn = [draw_noise_reduction(torch.Generator().manual_seed(seed)) for seed in range(50)]
    assert len(set(drawn)) == 50
    noise = noise_of(PLAIN)
    left = [float(reduced_noise(noise, GREY, replace(drawn[0], strength=s)).std()) for s in (0.0, 0.5, 1.0)]
    assert left[0] == pytest.approx(float(noise.std()))
    assert left[0] > 1.3 * left[1] > 1.3 * left[2]


def test_no_phase_of_the_mosaic_is_special():
    """A student trained on a single phase would add its grid to every photo."""
    deviations = [
        torch.stack([noise_of(replace(PLAIN, phase=phase), seed=seed) for seed in range(20)]).std(0).mean(0)
        for phase in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    grids = [torch.stack([d[r::2, c::2].mean() for r in (0, 1) for c in (0, 1)]) for d in deviations]
    assert grids[0].max() > 1.05 * grids[0].min()
    assert torch.stack(grids).mean(0).max() < 1.01 * torch.stack(grids).mean(0).min()


def test_noise_depends_only_on_its_generator():
    taken = [
        camera_noise(
            torch.stack([GREY, GREY]), [PLAIN, PLAIN], [torch.Generator().manual_seed(n) for n in seeds]
        )
        for seeds in ((1, 2), (3, 2))
    ]
    assert torch.equal(taken[0][1], taken[1][1])
    assert not torch.equal(taken[0][0], taken[1][0])


def test_cameras_cover_the_range_of_real_ones():
    cameras = [draw_camera(torch.Generator().manual_seed(seed)) for seed in range(400)]
    luma = torch.tensor([255 * camera.luma for camera in cameras])
    assert luma.min() < 1
    assert luma.max() > 50
    assert {camera.phase for camera in cameras} == {None, (0, 0), (0, 1), (1, 0), (1, 1)}
    ratio = torch.tensor([camera.chroma / camera.luma for camera in cameras])
    assert ratio.min() < 0.12
    assert ratio.max() > 1.2
