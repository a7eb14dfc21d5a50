"""Strips of rows: the same numbers as whole layers, whatever their height."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks import strips
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.strips import add_strips, map_strips, without_row_padding

CONFIG = DbsnConfig(base_channels=8, num_modules=2)


def height_of_strips(monkeypatch: pytest.MonkeyPatch, rows: int, x: Tensor, channels: int) -> None:
    row_bytes = x.shape[0] * x.shape[3] * channels * x.element_size()
    monkeypatch.setattr(strips, "_STRIP_BYTES", rows * row_bytes)


@pytest.fixture(params=[1, 2, 3, 7, 1000], ids="{} rows".format)
def rows(request) -> int:
    return int(request.param)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 2), (3, 3), (5, 1)])
def test_layers_see_the_pictures_own_rows_beside_a_strip(monkeypatch, rows, batch, kernel, dilation):
    reach = kernel // 2 * dilation
    convolution = nn.Conv2d(4, 4, kernel, padding=reach, dilation=dilation)
    x = torch.rand(batch, 4, 10, 9)
    height_of_strips(monkeypatch, rows, x, 4)
    layers, found = without_row_padding(convolution)
    assert found == reach
    with torch.inference_mode():
        expected = convolution(x)
        assert torch.allclose(map_strips(layers, x, channels=4, reach=reach), expected, atol=1e-6)
        assert torch.allclose(add_strips(layers, x.clone(), reach=reach), x + expected, atol=1e-6)


def test_pictures_are_joined_and_may_come_back_larger(monkeypatch, rows):
    first, second = torch.rand(2, 3, 10, 6), torch.rand(2, 1, 10, 6)
    height_of_strips(monkeypatch, rows, first, 4)

    def layers(a: Tensor, b: Tensor) -> Tensor:
        return functional.pixel_shuffle(torch.cat([a, b], dim=1), 2)

    assert torch.equal(map_strips(layers, first, second, channels=4), layers(first, second))


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (33, 17)])
def test_dbsn_answers_the_same_in_strips(monkeypatch, rows, size):
    network = CONFIG.build().eval()
    x = torch.rand(2, 3, *size)
    height_of_strips(monkeypatch, rows, x, CONFIG.base_channels)
    with torch.no_grad():
        whole = network(x)
    with torch.inference_mode():
        assert torch.allclose(network(x), whole, atol=1e-6)


def test_training_does_not_work_in_strips():
    network, x = CONFIG.build(), torch.rand(1, 3, 8, 8)
    network(x).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert not strips.pays_off(x)
    with torch.inference_mode():
        assert strips.pays_off(x)
        assert not strips.pays_off(x.to("meta"))
