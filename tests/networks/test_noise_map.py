"""The noise estimator network: what it costs, how far it sees, what it is told about the whole photo."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nsp_cli.networks.noise_map import NoiseMapConfig, NoiseMapNetwork
from nsp_cli.noise.conditioning import bands_of_residual

SMALL = NoiseMapConfig(width=6, blocks=1, heads=2, mixed=8)


def built(config: NoiseMapConfig) -> NoiseMapNetwork:
    torch.manual_seed(0)
    network = config.build()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.15)
    return network.eval()


def test_the_default_costs_less_than_six_thousand_multiplications_a_pixel():
    network, side, counted = NoiseMapConfig().build(), 64, 0

    def count(module: nn.Conv2d, _: object, output: Tensor) -> None:
        nonlocal counted
        counted += output[0].numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, side, side))
    transform = 3 * 64 * side**2
    assert 5_500 < (counted + transform) / side**2 < 5_700


@torch.inference_mode()
def test_parts_of_a_picture_give_the_answer_of_the_whole():
    network, picture = built(SMALL), torch.rand(1, 3, 96, 64)
    features = network.features(picture)
    halves = features[:, :, :5], features[:, :, 5:]
    sums, levels = sum(network.sums(half) for half in halves), network.levels(features)
    parts = torch.cat([network.answer(half, sums, levels) for half in halves], dim=2)
    torch.testing.assert_close(parts, network(picture))


@torch.inference_mode()
def test_features_see_no_farther_than_the_radius():
    network, reach = built(SMALL), SMALL.spec().radius
    picture = torch.rand(1, 3, 96, 96)
    changed = picture.clone()
    changed[:, :, :8] = 0
    differs = (network.features(picture) != network.features(changed)).any(1)[0].any(1)
    last = (7 + reach) // 8
    assert differs[: last - 1].all()
    assert not differs[last + 1 :].any()


@pytest.mark.parametrize("level", [0.002, 0.02, 0.1])
def test_the_last_features_of_pure_noise_are_its_levels(level):
    noise = level * torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        seen = built(SMALL).features(noise)[:, -6:].square() / 10
    assert seen.square().mean((2, 3)).sqrt() == pytest.approx(bands_of_residual(noise), rel=0.02)


@torch.inference_mode()
def test_faint_noise_is_seen_in_bfloat16_too():
    picture = torch.full((1, 3, 64, 64), 0.8)
    noisy = picture + 0.001 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    network = built(SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        levels = network.features(noisy)[:, -6:].float().square() / 10
    assert float(levels.mean()) == pytest.approx(0.001, rel=0.1)


@torch.inference_mode()
def test_levels_are_those_that_shares_of_the_cells_stay_below(monkeypatch):
    network = built(SMALL)
    features = torch.zeros(1, network.seen, 10, 100)
    features[:, -6] = torch.arange(1000).view(10, 100)
    expected = torch.tensor([0.02, 0.1, 0.3, 0.5, 0.8]) * 999
    torch.testing.assert_close(network.levels(features)[0, :5], expected)
    # A picture of billions of pixels has more cells than torch can sort at once: some are left out.
    monkeypatch.setattr("nsp_cli.networks.noise_map._MOST_CELLS", 100)
    some = network.levels(features)[0, :5]
    torch.testing.assert_close(some, expected, rtol=0, atol=12)
    assert not torch.equal(some, expected)


def test_a_network_without_channels_is_refused():
    with pytest.raises(ValueError, match="no estimator"):
        NoiseMapConfig(width=0)
    with pytest.raises(ValueError, match="enlarge"):
        NoiseMapConfig().with_scale(2)
