"""Leftover noise goes where there is some, tiles leave no trace, and texture stays."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.block_dct import BlockDct, from_luma_chroma, to_luma_chroma
from nsp_cli.restoration import wiener
from nsp_cli.restoration.recovery import remove_leftover
from tests.scenes import correlated_noise, fractal, scene, to_8_bits, white_noise


@pytest.fixture
def noisy():
    return to_8_bits(scene(200, 264) + white_noise((3, 200, 264), 12))


def even_noise(image, level=12):
    """The map of white noise of that level everywhere."""
    rows, columns = (-(-side // 8) for side in image.shape[1:])
    return NoiseMap(torch.full((6, rows, columns), level / 255))


def cleaned(prediction, level=12):
    return remove_leftover(prediction, even_noise(prediction, level))


class TestBlockDct:
    @pytest.mark.parametrize("shape", [(1, 1), (7, 40), (100, 93)])
    @pytest.mark.parametrize("side", [8, 16])
    def test_unchanged_coefficients_give_the_picture_back(self, shape, side):
        picture = torch.rand(3, *shape)
        blocks = BlockDct(side)
        assert torch.allclose(blocks.inverse(blocks.forward(picture), *shape), picture, atol=1e-5)

    def test_white_noise_keeps_its_power_in_every_coefficient(self):
        power = BlockDct(8).forward(torch.randn(1, 800, 800)).square().mean((0, 1, 3))
        assert torch.allclose(power, torch.ones(8, 8), atol=0.1)

    def test_luma_and_chroma_are_orthonormal(self):
        picture = torch.rand(3, 5, 6)
        planes = to_luma_chroma(picture)
        assert torch.allclose(planes.square().sum(), picture.square().sum())
        assert torch.allclose(from_luma_chroma(planes), picture, atol=1e-6)


class TestLeftover:
    @pytest.mark.parametrize("core", [8, 56, 128])
    def test_tiles_leave_no_trace(self, noisy, monkeypatch, core):
        noise = NoiseMap(torch.rand(6, 25, 33, generator=torch.Generator().manual_seed(0)) * 12 / 255)
        results = []
        for side in (1 << 20, core):
            monkeypatch.setattr(wiener, "_CORE_ON_CPU", side)
            results.append(remove_leftover(noisy.float() / 255, noise))
        assert torch.allclose(*results, atol=2e-6)

    def test_noise_that_a_prediction_left_is_taken_out(self):
        clean = scene(200, 264)
        flat = slice(8, 88)
        prediction = clean + correlated_noise(clean.shape, 1.5, 1.2)
        left, before = ((image - clean)[:, flat, flat].std() for image in (cleaned(prediction), prediction))
        assert left < 0.8 * before

    def test_where_the_map_says_no_noise_nothing_changes(self, noisy):
        noise, prediction = even_noise(noisy), noisy.float() / 255
        noise.bands[..., :16] = 0
        result = remove_leftover(prediction, noise)
        assert (result - prediction)[..., :112].abs().max() < 1e-5
        assert (result - prediction)[..., 150:].abs().max() > 1 / 255

    def test_texture_finer_than_the_noise_stays(self):
        clean = fractal()
        result = cleaned(clean, level=2)
        assert (result - clean).std() < 0.5 * 2 / 255

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
    @pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 17)])
    def test_every_size_and_type(self, dtype, shape):
        white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
        photo = (torch.rand(3, *shape) * white).to(dtype)
        result = cleaned(photo)
        assert (result.dtype, result.shape) == (dtype, photo.shape)
        assert result.float().isfinite().all()
