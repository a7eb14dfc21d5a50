"""Synthetic texture: fades in the dark, has the colour of its background, and belongs to the target."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nsp_cli.noise.conditioning import bands_of_residual
from nsp_cli.training.distillation.sample_making import make_samples
from nsp_cli.training.distillation.sample_plan import DrawnSamples, SamplePlan
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.augmentation import Augmentation
from nsp_cli.training.simulation.camera import draw_camera
from nsp_cli.training.simulation.texture import Texture, add_texture, draw_texture
from tests.scenes import scene

CLOTH = Texture(contrast=0.1, along=0.5, across=0.5, angle=0.0, patch=20.0)


def laid(texture: Texture, background: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Logarithm of the factor by which a texture changes a picture (3, H, W)."""
    [result] = add_texture(background[None], [texture], [torch.Generator().manual_seed(seed)])
    return (result / background).log()


def grey(side: int = 256) -> torch.Tensor:
    return torch.full((3, side, side), 0.4)


def test_black_stays_black_and_white_does_not_overflow():
    for level in (0.0, 1.0):
        [result] = add_texture(torch.full((1, 3, 64, 64), level), [CLOTH], [torch.Generator().manual_seed(0)])
        assert result.min() >= 0
        assert result.max() <= 1
        assert level or result.max() == 0


def test_it_has_the_colour_of_its_background():
    background = torch.tensor([0.6, 0.3, 0.2])[:, None, None].expand(-1, 64, 64)
    red, green, blue = laid(CLOTH, background)
    torch.testing.assert_close(red, green, rtol=0, atol=1e-5)
    torch.testing.assert_close(red, blue, rtol=0, atol=1e-5)


def test_it_comes_in_patches():
    local = torch.nn.functional.avg_pool2d(laid(CLOTH, grey())[:1].square(), 16)
    assert local.max() > 20 * local.min()


def test_contrast_and_direction_are_as_given():
    # Contrast is meant in light; sRGB is about its 2.4th root. Patches cover about half of the picture.
    assert laid(CLOTH, grey()).std() * 2.4 == pytest.approx(0.07, rel=0.3)
    strands = replace(CLOTH, along=3.0, angle=0.0)
    rows, columns = (laid(strands, grey())[0].diff(dim=dim).std() for dim in (0, 1))
    assert rows > 2 * columns


def test_textures_depend_on_their_generator():
    first, again, other = (laid(CLOTH, grey(64), seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    drawn = [draw_texture(generator_for(0, number)) for number in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("scale", [1, 2])
def test_it_is_in_the_target_and_not_in_the_noise_conditioning(scale):
    camera = replace(draw_camera(generator_for(0)), luma=2 / 255, chroma=2 / 255)

    def sample(texture: Texture | None):
        plan = SamplePlan(0, camera, Augmentation(texture=texture), is_rounded=True)
        drawn = DrawnSamples(scene(96 * scale, 96 * scale)[None], (plan,))
        return make_samples(drawn, scale=scale, seed=0, step=0, device=torch.device("cpu"))

    plain, textured = sample(None), sample(replace(CLOTH, contrast=0.4, along=2.0, across=2.0))
    kept = textured.clean - plain.clean
    assert bands_of_residual(kept).max() > 3 / 255
    seen = torch.nn.functional.avg_pool2d(textured.noisy - plain.noisy, 4).flatten()
    wanted = torch.nn.functional.avg_pool2d(kept, 4 * scale).flatten()
    assert torch.corrcoef(torch.stack([seen, wanted]))[0, 1] > 0.95
    torch.testing.assert_close(textured.noise.mean((2, 3)), plain.noise.mean((2, 3)), rtol=0.2, atol=0)
