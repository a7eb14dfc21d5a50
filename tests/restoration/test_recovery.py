"""The final picture: tiles leave no trace, strength does what it says, detail comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from nsp_cli.evaluation.metrics import psnr
from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.ops.block_dct import BlockDct, from_luma_chroma, to_luma_chroma
from nsp_cli.restoration import recovery as recover_module
from nsp_cli.restoration.recovery import Strength, recover_detail
from tests.scenes import correlated_noise, fractal, scene, to_8_bits, white_noise


@pytest.fixture
def noisy():
    return to_8_bits(scene(200, 264) + white_noise((3, 200, 264), 12))


def blurred(image):
    """A prediction as bad as can be: texture gone, edges soft."""
    return functional.avg_pool2d(functional.pad(image.float()[None], (2,) * 4, mode="reflect"), 5, 1)[0] / 255


def recovered(noisy, prediction=None, strength=None):
    prediction = blurred(noisy) if prediction is None else prediction
    return recover_detail(noisy, prediction, estimate_noise(noisy), [strength or Strength()])[0]


class TestBlockDct:
    @pytest.mark.parametrize("shape", [(1, 1), (7, 40), (100, 93)])
    @pytest.mark.parametrize("side", [8, 16])
    def test_unchanged_coefficients_give_the_picture_back(self, shape, side):
        picture = torch.rand(3, *shape)
        blocks = BlockDct(side)
        assert torch.allclose(blocks.inverse(blocks.forward(picture), *shape), picture, atol=1e-5)

    def test_white_noise_keeps_its_power_in_every_coefficient(self):
        power = BlockDct(8).forward(torch.randn(1, 800, 800)).square().mean((0, 2, 3))
        assert torch.allclose(power, torch.ones(64), atol=0.1)

    def test_luma_and_chroma_are_orthonormal(self):
        picture = torch.rand(3, 5, 6)
        planes = to_luma_chroma(picture)
        assert torch.allclose(planes.square().sum(), picture.square().sum())
        assert torch.allclose(from_luma_chroma(planes), picture, atol=1e-6)


class TestRecover:
    @pytest.mark.parametrize("core", [8, 56, 128])
    def test_tiles_leave_no_trace(self, noisy, monkeypatch, core):
        exact = noisy.float() / 255
        monkeypatch.setattr(recover_module, "_CORE_ON_CPU", 1 << 20)
        whole = recovered(exact, blurred(noisy))
        monkeypatch.setattr(recover_module, "_CORE_ON_CPU", core)
        assert torch.allclose(recovered(exact, blurred(noisy)), whole, atol=2e-6)

    def test_strengths_that_filter_differently_are_refused_in_one_pass(self, noisy):
        given = noisy, blurred(noisy), estimate_noise(noisy)
        for strengths in ([], [Strength(), Strength(2, 1)]):
            with pytest.raises(ValueError, match="in separate calls"):
                recover_detail(*given, strengths)

    def test_same_input_same_output(self, noisy):
        assert torch.equal(recovered(noisy), recovered(noisy))

    def test_texture_that_a_prediction_lost_comes_back(self, noisy):
        clean = scene(200, 264)
        textured = slice(140, 200)
        prediction = blurred(noisy)
        lost = (prediction - clean)[:, textured].square().mean()
        left = (recovered(noisy, prediction).float() / 255 - clean)[:, textured].square().mean()
        assert left < 0.5 * lost

    def test_coarse_noise_that_a_seeing_network_left_is_taken_out_where_the_photo_is_flat(self):
        clean = scene()
        noise = correlated_noise(clean.shape, 8, 1.2)
        given = clean + noise, clean + 0.2 * noise, estimate_noise(clean + noise)
        [result] = recover_detail(*given, [Strength()], is_blind_spot=False)
        left, before = (image.mean(0)[8:88, 8:88].std() for image in (result - clean, 0.2 * noise))
        assert left < 0.4 * before

    def test_texture_finer_than_the_noise_is_not_taken_for_what_a_seeing_network_left(self):
        clean = fractal()
        noisy = clean + white_noise(clean.shape, 2)
        [result] = recover_detail(noisy, clean, estimate_noise(noisy), [Strength()], is_blind_spot=False)
        assert (result - clean).std() < 0.5 * (noisy - clean).std()

    def test_faint_colours_that_are_everywhere_are_not_taken_for_what_a_seeing_network_left(self):
        colours = correlated_noise((3, 200, 264), 12, 8.0)
        clean = 0.5 + colours - colours.mean(0)
        noisy = clean + white_noise(clean.shape, 3)
        [result] = recover_detail(noisy, clean, estimate_noise(noisy), [Strength()], is_blind_spot=False)
        lost = (result - clean).square().mean() / (clean - 0.5).square().mean()
        assert lost < 0.01

    def test_is_better_than_both_what_it_was_made_of(self, noisy):
        clean = to_8_bits(scene(200, 264))
        result = psnr(recovered(noisy), clean)
        assert result > psnr(noisy, clean) + 2
        assert result > psnr(to_8_bits(blurred(noisy)), clean) + 1

    def test_more_strength_is_smoother_all_the_way(self, noisy):
        flat = (slice(None), slice(8, 88), slice(8, 88))
        strengths = (0, 0.25, 0.5, 0.75, 1, 1.5, 2)
        residuals = [
            (recovered(noisy, strength=Strength(s, s)).float() / 255 - scene(200, 264))[flat].std()
            for s in strengths
        ]
        # Once nothing is left to remove, a twentieth of a level up or down is no noise.
        assert all(after < before + 2e-4 for before, after in pairwise(residuals))
        assert residuals[-1] < 0.3 * residuals[0]

    def test_strength_nought_keeps_every_pixel(self, noisy):
        assert torch.equal(recovered(noisy, strength=Strength(0, 0)), noisy)

    def test_luma_and_chroma_have_their_own_strength(self, noisy):
        exact = noisy.float() / 255
        before = to_luma_chroma(exact)
        only_luma = to_luma_chroma(recovered(exact, blurred(noisy), Strength(1, 0)))
        assert torch.allclose(only_luma[1:], before[1:], atol=1e-5)
        assert not torch.allclose(only_luma[0], before[0], atol=1e-2)
        only_chroma = to_luma_chroma(recovered(exact, blurred(noisy), Strength(0, 1)))
        assert torch.allclose(only_chroma[0], before[0], atol=1e-5)
        assert not torch.allclose(only_chroma[1:], before[1:], atol=1e-2)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
    @pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 17)])
    def test_type_and_size_are_kept(self, dtype, shape):
        white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
        photo = (torch.rand(3, *shape) * white).to(dtype)
        [result] = recover_detail(photo, torch.rand(3, *shape), estimate_noise(photo), [Strength()])
        assert (result.dtype, result.shape) == (dtype, photo.shape)
        assert result.float().isfinite().all()

    def test_a_photo_of_nothing_but_texture_is_left_nearly_alone(self):
        generator = torch.Generator().manual_seed(2)
        texture = 0.5 + 0.12 * torch.randn(1, 200, 200, generator=generator).expand(3, -1, -1)
        clean = texture.clamp(0.06, 0.94)
        photo = to_8_bits(clean + white_noise(clean.shape, 3))
        assert psnr(recovered(photo), to_8_bits(clean)) > psnr(photo, to_8_bits(clean)) - 0.5

    @pytest.mark.parametrize("wrong", [-0.1, 2.1, float("nan")])
    def test_strength_out_of_range_is_refused(self, wrong):
        with pytest.raises(ValueError, match="0 to 2"):
            Strength(wrong, 1)
        with pytest.raises(ValueError, match="0 to 2"):
            Strength(1, wrong)
