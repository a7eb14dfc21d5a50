"""The student network: what it costs, how far it sees, what it is conditioned on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.base import CONDITIONING_SIZE
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.run.starting_point import start_enlarging, start_from_file
from nsp_cli.weights.file import save_weights

TINY = UnetConfig(widths=(4, 4, 8), encoder=(1, 1, 1), decoder=(1, 1))
CPU = torch.device("cpu")
NOISE = torch.full((1, CONDITIONING_SIZE, 1, 1), 0.05)


def built(config: UnetConfig) -> nn.Module:
    """Returns a network that does something everywhere; a fresh one's blocks do nothing."""
    torch.manual_seed(0)
    network = config.build()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.15)
    return network.eval()


def multiplications_per_pixel(config: UnetConfig) -> float:
    side, counted = 64, 0

    def count(module: nn.Conv2d, _: object, output: Tensor) -> None:
        nonlocal counted
        counted += output[0].numel() * module.weight[0].numel()

    network = config.build()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, side, side), NOISE)
    return counted / side**2


def test_the_default_costs_at_most_60_thousand_multiplications_a_pixel():
    assert 50_000 < multiplications_per_pixel(UnetConfig()) <= 60_000


def test_a_fresh_network_nearly_leaves_the_picture():
    picture = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert (UnetConfig().build()(picture, NOISE) - picture).abs().max() < 0.3


@pytest.mark.parametrize("scale", [1, 2])
def test_the_output_is_scale_times_the_input(scale):
    with torch.inference_mode():
        assert built(replace(TINY, scale=scale))(
            torch.rand(2, 3, 24, 40), NOISE.expand(2, -1, -1, -1)
        ).shape == (
            2,
            3,
            24 * scale,
            40 * scale,
        )


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("depth", [((1, 1, 1), (1, 1)), ((2, 1, 2), (1, 2))])
def test_no_output_sees_farther_than_the_radius(scale, depth):
    config = replace(TINY, scale=scale, encoder=depth[0], decoder=depth[1])
    radius, size, network = config.spec().radius, 256, built(config).double()
    # Interpolation in the enlargement reads two pixels, which is within any radius.
    seen = torch.zeros(size, size, dtype=torch.bool)
    for row, column in [(128, 128), (129, 131), (135, 135), (132, 130)]:
        picture = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
        network(picture, NOISE.double())[0, :, row * scale, column * scale].sum().backward()
        rows, columns = picture.grad[0].abs().sum(0).nonzero().T
        assert max((rows - row).abs().max(), (columns - column).abs().max()) <= radius
        seen |= picture.grad[0].abs().sum(0) > 0
    assert seen.any(1).sum() > 1.6 * radius


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (37, 150), (96, 64)])
def test_tiled_equals_untiled(scale, height, width):
    config, noisy = replace(TINY, scale=scale), torch.rand(3, height, width)
    noise = NoiseMap(0.1 * torch.rand(CONDITIONING_SIZE, -(-height // 8), -(-width // 8)))
    results = []
    for core in (8, 1000):
        restorer = Restorer(built(config), config.spec(), Execution(CPU, torch.float32, core))
        results.append(
            (restorer.denoise(noisy, mode="direct", noise=noise), restorer.upscale(noisy, noise=noise))
        )
    for tiled, whole in zip(*results, strict=True):
        torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_conditioning_counts():
    network, picture = built(TINY), torch.rand(1, 3, 32, 32)
    for band in range(CONDITIONING_SIZE):
        more = NOISE.clone()
        more[:, band] *= 2
        assert not torch.equal(network(picture, NOISE), network(picture, more))


def test_noise_counts_where_it_is():
    network, picture = built(TINY), torch.rand(1, 3, 32, 192)
    noise = NOISE.repeat(1, 1, 4, 24)
    noise[..., 20:] *= 4
    difference = (network(picture, noise) - network(picture, NOISE)).abs().amax((0, 1, 2))
    assert difference[: 160 - TINY.spec().radius].max() < 1e-5
    assert difference[170:].min() > 1e-3


@pytest.mark.parametrize(("mode", "noise"), [("pd", NoiseMap(NOISE[0].repeat(1, 2, 2))), ("direct", None)])
def test_a_student_is_no_blind_spot_network(mode, noise):
    restorer = Restorer(built(TINY), TINY.spec(), Execution(CPU, torch.float32))
    with pytest.raises(ValueError, match=r"blind-spot|noise is required"):
        restorer.denoise(torch.rand(3, 16, 16), mode=mode, noise=noise)


@pytest.mark.parametrize("change", [{"widths": (0, 4, 8)}, {"scale": 3}, {"scale": 0}])
def test_what_cannot_be_built_is_refused(change):
    with pytest.raises(ValueError, match="no student"):
        replace(TINY, **change)


def test_an_enlarging_student_begins_with_what_its_parent_removed(tmp_path):
    path = tmp_path / "parent.safetensors"
    save_weights(path, built(TINY), network_name="unet", config=TINY, metadata={})
    start = start_enlarging(start_from_file(path, "parent"))
    child = start.config.build()
    child.load_state_dict(start.weights)
    picture = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        removed = picture - built(TINY)(picture, NOISE)
        answer = child(picture, NOISE)
        expected = functional.interpolate(picture, scale_factor=2, mode="bicubic") - functional.interpolate(
            removed, scale_factor=2
        )
    torch.testing.assert_close(answer, expected)
