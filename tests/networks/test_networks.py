"""The networks against the authors' numbers, and what makes them blind-spot networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks import NETWORKS, NetworkConfig
from nsp_cli.networks.base import CentreMaskedConv2d, Gelu
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.networks.tbsn.attention import ChannelAttention
from nsp_cli.networks.tbsn.network import Block

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
# Constants of the architecture that the authors' files carry and ours do not.
CONSTANTS = ("mask", "attention_mask")

TINY_DBSN = DbsnConfig(base_channels=8, num_modules=2)
TINY_TBSN = TbsnConfig(dim=8, num_blocks=(1, 1, 1), num_refinement_blocks=1, spatial_head_size=2)
both_networks = pytest.mark.parametrize("config", [TINY_DBSN, TINY_TBSN], ids=["dbsn", "tbsn"])

# One input for both: TBSN wants multiples of 32, DBSN takes anything.
HEIGHT, WIDTH = 32, 64
INTERIOR_AND_BORDER = [(13, 30), (16, 31), (7, 8), (0, 0), (0, 21), (31, 63), (18, 0)]


def random_input(seed: int = 0) -> Tensor:
    return torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def fixed_mixing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds TBSN's channel attention constant, as if its statistics came from elsewhere."""
    mixing = ChannelAttention.mixing

    def constant(self: ChannelAttention, q: Tensor, k: Tensor) -> Tensor:
        return mixing(self, q, k).detach()

    monkeypatch.setattr(ChannelAttention, "mixing", constant)


def influence(network: nn.Module, t: int, y: int, x: int) -> Tensor:
    """Returns (H, W): how strongly input pixels move the t² output pixels in the place of (y, x)."""
    noisy = random_input().requires_grad_()
    own = network(noisy)[..., y * t : (y + 1) * t, x * t : (x + 1) * t]
    # Random weights, so that no two outputs' gradients cancel.
    (own * torch.randn(own.shape)).sum().backward()
    assert noisy.grad is not None
    return noisy.grad.abs().sum(dim=(0, 1))


class TestAgainstTheAuthors:
    @pytest.mark.parametrize(("name", "parameters"), [("dbsn", 3_750_723), ("tbsn", 12_766_148)])
    def test_full_size_has_the_authors_parameters(self, name: str, parameters: int) -> None:
        with torch.device("meta"):
            network = NETWORKS[name].config().build()
        published = json.loads((REFERENCE / "state_dict_shapes.json").read_text())[name]
        expected = {key: shape for key, shape in published.items() if key.split(".")[-1] not in CONSTANTS}

        assert {key: list(value.shape) for key, value in network.state_dict().items()} == expected
        assert sum(value.numel() for value in network.parameters()) == parameters

    @pytest.mark.parametrize(
        ("file", "config", "value_range", "tolerance"),
        [
            ("dbsn_t2", DbsnConfig(base_channels=16, num_modules=2), 1, 1e-5),
            ("dbsn_t4", DbsnConfig(base_channels=16, num_modules=1, t=4), 1, 1e-5),
            ("tbsn_t2", replace(TINY_TBSN, spatial_head_size=4), 255, 1e-3),
        ],
    )
    def test_output_equals_the_released_networks(
        self, file: str, config: NetworkConfig, value_range: int, tolerance: float
    ) -> None:
        tensors = load_file(REFERENCE / f"{file}.safetensors")
        state = {key.removeprefix("state."): value for key, value in tensors.items() if "state." in key}
        network = config.build()
        network.load_state_dict(
            {key: value for key, value in state.items() if key.split(".")[-1] not in CONSTANTS}
        )

        with torch.inference_mode():
            output = network(tensors["input"] / value_range) * value_range

        torch.testing.assert_close(output, tensors["output"], rtol=0, atol=tolerance)


class TestBlindSpot:
    @pytest.mark.parametrize(("y", "x"), INTERIOR_AND_BORDER)
    @both_networks
    @pytest.mark.usefixtures("fixed_mixing")
    def test_no_output_sees_the_pixel_in_its_place(self, config: NetworkConfig, y: int, x: int) -> None:
        seen = influence(config.build(), config.spec().scale, y, x)

        assert seen[y, x] == 0
        around = seen[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert around.count_nonzero() == around.numel() - 1

    @pytest.mark.parametrize("t", [1, 2, 4])
    @both_networks
    @pytest.mark.usefixtures("fixed_mixing")
    def test_blind_at_every_scaling_factor(self, config: DbsnConfig | TbsnConfig, t: int) -> None:
        seen = influence(replace(config, t=t).build(), t, 13, 30)

        assert seen[13, 30] == 0
        assert seen[13, 31] > 0

    @pytest.mark.usefixtures("fixed_mixing")
    def test_tbsn_sees_no_pixel_of_its_own_parity(self) -> None:
        seen = influence(TINY_TBSN.build(), TINY_TBSN.t, 13, 30)

        assert seen[13 % 2 :: 2, 30 % 2 :: 2].count_nonzero() == 0
        assert seen[1::2, 1::2].count_nonzero() > 100
        assert seen[0::2, 0::2].count_nonzero() > 100
        assert seen[0::2, 1::2].count_nonzero() > 100

    def test_tbsn_statistics_are_the_only_leak(self) -> None:
        """Pooled over the picture, channel attention does carry a trace of the pixel itself."""
        seen = influence(TINY_TBSN.build(), TINY_TBSN.t, 13, 30)

        own, beside = seen[13, 30], seen[13, 31]
        assert own > 0
        assert own < 0.01 * beside

    @both_networks
    def test_masked_centre_weights_do_not_count(self, config: NetworkConfig) -> None:
        network = config.build()
        masked = [module for module in network.modules() if isinstance(module, CentreMaskedConv2d)]
        assert masked

        with torch.inference_mode():
            before = network(random_input())
            for module in masked:
                centre = module.kernel_size[0] // 2
                assert module.weight[..., centre, centre].count_nonzero() > 0
                module.weight[..., centre, centre] = 1e3
            assert torch.equal(network(random_input()), before)


class TestSpec:
    @pytest.mark.parametrize("num_modules", [1, 3])
    def test_dbsn_sees_exactly_as_far_as_its_radius(self, num_modules: int) -> None:
        config = DbsnConfig(base_channels=8, num_modules=num_modules)
        network = config.build()
        noisy = random_input()
        perturbed = noisy.clone()
        perturbed[..., 16, 30] = 1 - perturbed[..., 16, 30]

        with torch.inference_mode():
            changed = (network(noisy) != network(perturbed)).any(dim=1)[0]

        rows, columns = changed.nonzero().div(config.t, rounding_mode="floor").unbind(dim=1)
        assert (rows - 16).abs().max() == config.spec().radius
        assert (columns - 30).abs().max() == config.spec().radius

    @pytest.mark.parametrize("t", [1, 2, 4])
    @both_networks
    def test_output_is_scale_times_the_input(self, config: DbsnConfig | TbsnConfig, t: int) -> None:
        scaled = replace(config, t=t)

        with torch.inference_mode():
            output = scaled.build()(random_input())

        assert scaled.spec().scale == t
        assert output.shape == (1, 3, HEIGHT * t, WIDTH * t)

    @pytest.mark.parametrize("size", [(33, 64), (32, 48), (31, 31)])
    def test_tbsn_names_the_size_it_wants(self, size: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match=rf"multiples of 32, not {size[0]}×{size[1]}"):
            TINY_TBSN.build()(torch.zeros(1, 3, *size))

    @both_networks
    def test_half_precision_stays_close(self, config: NetworkConfig) -> None:
        network = config.build()

        with torch.inference_mode():
            exact = network(random_input())
            with torch.autocast("cpu", torch.float16):
                rounded = network(random_input()).float()

        assert (rounded - exact).std() < 0.005 * exact.std()

    def test_tbsn_sums_in_single_precision(self) -> None:
        network = TINY_TBSN.build()
        kept: list[torch.dtype] = []
        blocks = [module for module in network.modules() if isinstance(module, Block)]
        for block in blocks:
            block.register_forward_hook(lambda _block, _inputs, output: kept.append(output.dtype))

        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            network(random_input())

        assert kept == [torch.float32] * len(blocks)


class TestConfig:
    @both_networks
    def test_survives_json(self, config: DbsnConfig | TbsnConfig) -> None:
        restored = type(config)(**json.loads(json.dumps(asdict(config))))

        assert restored == config
        assert hash(restored) == hash(config)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"num_blocks": [4, 4]}, "num_blocks needs a number for each of 3 levels"),
            ({"overlap_ratio": 0.25}, "let a pixel see itself"),
            ({"window_size": 7, "overlap_ratio": 0}, "let a pixel see itself"),
            ({"channel_heads": [1, 2, 5]}, "does not divide into"),
            ({"dim": 12, "t": 4}, "does not divide by t² = 16"),
        ],
    )
    def test_tbsn_refuses_what_cannot_be_built(self, change: dict[str, object], message: str) -> None:
        build: Callable[..., TbsnConfig] = TbsnConfig
        with pytest.raises(ValueError, match=message):
            build(**change)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gelu_is_torchs_and_gives_it_what_lies_in_order(layout, monkeypatch):
    real, given = nn.GELU.forward, []
    monkeypatch.setattr(nn.GELU, "forward", lambda self, x: given.append(x) or real(self, x))
    x = torch.randn(2, 5, 6, 7).contiguous(memory_format=layout)
    answer = Gelu()(x)
    torch.testing.assert_close(answer, functional.gelu(x))
    assert answer.is_contiguous(memory_format=layout)
    assert given[0].is_contiguous()
