"""The RAW network: what it costs, how far it sees, and that a mosaic's place and phase do not matter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nsp_cli.networks.bayer import BayerConfig, decoded, encoded, from_student
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer

TINY = BayerConfig(widths=(4, 4, 8), encoder=(1, 1, 1), decoder=(1, 1))
CPU = torch.device("cpu")
NOISE = torch.tensor([[0.01, 0.005, 0.005, 0.008], [1e-4, 2e-5, 2e-5, 5e-5]])


def built(config: BayerConfig) -> nn.Module:
    """Returns a network that does something everywhere."""
    torch.manual_seed(0)
    network = config.build()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.15)
    return network.eval()


def restorer(config: BayerConfig, core: int | None = None) -> Restorer:
    return Restorer(built(config), config.spec(), Execution(CPU, torch.float32, core))


def plain(mosaic: Tensor, phase: tuple[int, int]) -> Tensor:
    masks = bayer_masks(*mosaic.shape, [phase], CPU)
    return decoded(demosaic_bilinear(encoded(mosaic) * masks))[0]


def test_the_default_costs_at_most_60_thousand_multiplications_a_pixel():
    side, counted = 64, 0

    def count(module: nn.Conv2d, _: object, output: Tensor) -> None:
        nonlocal counted
        counted += output[0].numel() * module.weight[0].numel()

    network = BayerConfig().build()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 1, side, side), NOISE[None])
    counted += side**2 // 4 * network.demosaicing.numel()
    assert 50_000 < counted / side**2 <= 60_000


def test_a_fresh_network_demosaics_bilinearly():
    mosaic = torch.rand(24, 32) * 1.5 - 0.1
    fresh = Restorer(TINY.build(), TINY.spec(), Execution(CPU, torch.float32))
    torch.testing.assert_close(fresh.demosaic(mosaic, NOISE), plain(mosaic, (0, 0)))


@pytest.mark.parametrize("light", [-0.3, -1e-9, 1e-9, 1e-5, 0.18, 1.0, 2.7])
def test_encoding_loses_nothing(light):
    value = torch.tensor([light], dtype=torch.float64, requires_grad=True)
    assert decoded(encoded(value)).item() == pytest.approx(light, abs=1e-12)
    encoded(value).backward()
    assert 0.2 < value.grad.item() < 13


def test_light_above_white_passes():
    mosaic = torch.full((16, 16), 2.4)
    fresh = Restorer(TINY.build(), TINY.spec(), Execution(CPU, torch.float32))
    torch.testing.assert_close(fresh.demosaic(mosaic, NOISE), torch.full((3, 16, 16), 2.4))


@pytest.mark.parametrize("depth", [((1, 1, 1), (1, 1)), ((2, 1, 2), (1, 2))])
def test_no_output_sees_farther_than_the_radius(depth):
    config = replace(TINY, encoder=depth[0], decoder=depth[1])
    radius, size, network = config.spec().radius, 256, built(config)
    seen = torch.zeros(size, size, dtype=torch.bool)
    for row, column in [(128, 128), (129, 131), (135, 135), (132, 130)]:
        mosaic = torch.rand(1, 1, size, size, requires_grad=True)
        network(mosaic, NOISE[None])[0, :, row, column].sum().backward()
        rows, columns = mosaic.grad[0, 0].nonzero().T
        assert max((rows - row).abs().max(), (columns - column).abs().max()) <= radius
        seen |= mosaic.grad[0, 0] != 0
    assert seen.any(1).sum() > 1.6 * radius


@pytest.mark.parametrize("phase", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("height", "width"), [(2, 3), (37, 150), (96, 64)])
def test_tiled_equals_untiled(height, width, phase):
    mosaic = torch.rand(height, width)
    tiled, whole = (restorer(TINY, core).demosaic(mosaic, NOISE, phase=phase) for core in (8, 1000))
    assert whole.shape == (3, height, width)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("phase", [(0, 1), (1, 0), (1, 1)])
def test_all_phases_agree(phase):
    """A mosaic that begins a row or a column later gives the same picture, away from its border."""
    mosaic = torch.rand(320, 328)
    whole = restorer(TINY).demosaic(mosaic, NOISE)
    # With the row and column that are put before the first red pixel, whole cells of the coarsest level
    # are missing.
    top, left = (8 + first for first in phase)
    part = restorer(TINY).demosaic(mosaic[top:, left:], NOISE, phase=phase)
    margin = TINY.spec().radius + 8
    rows, columns = (slice(margin, size - margin) for size in part.shape[1:])
    torch.testing.assert_close(
        part[:, rows, columns], whole[:, top:, left:][:, rows, columns], atol=1e-5, rtol=0
    )


def test_each_number_of_the_noise_counts():
    network, mosaic = built(TINY), torch.rand(1, 1, 32, 32)
    for kind in range(2):
        for site in range(4):
            more = NOISE.clone()
            more[kind, site] *= 2
            assert not torch.equal(network(mosaic, NOISE[None]), network(mosaic, more[None]))


def test_it_is_told_the_deviation_under_the_root():
    """The planes are the root of ten deviations, as measured on simulated noise."""
    network, light = TINY.build(), 0.3
    slope, floor = NOISE[:, 1]
    noise = torch.randn(1, 1, 400, 400) * (slope * light + floor).sqrt()
    told = {}
    network.head.register_forward_pre_hook(lambda _, given: told.update(planes=given[0][:, 12:]))
    network(light + noise, NOISE[None])
    deviation = float(encoded(light + noise).std())
    assert told["planes"][0, 1].square().mean() / 10 == pytest.approx(deviation, rel=0.03)
    # Next to a border too, where fewer cells tell the signal.
    network(torch.full((1, 1, 64, 64), light), NOISE[None])
    torch.testing.assert_close(
        told["planes"], told["planes"].mean((2, 3), keepdim=True).expand(-1, -1, 32, 32)
    )


def test_it_begins_as_the_student_does():
    student = UnetConfig(*(getattr(TINY, name) for name in ("widths", "encoder", "decoder"))).build()
    for parameter in student.parameters():
        nn.init.normal_(parameter, std=0.1)
    network = TINY.build()
    network.load_state_dict(from_student(student.state_dict()))
    mosaic, noise = torch.rand(1, 1, 32, 32), torch.zeros(1, 2, 4)
    noise[:, 1] = 1e-24  # as little as counts as none
    with torch.inference_mode():
        picture = encoded(plain(mosaic[0, 0], (0, 0)))[None]
        expected = decoded(student(picture, torch.zeros(1, 6, 1, 1)))
        found = network(mosaic, noise)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)


def test_it_takes_no_pictures_and_students_take_no_mosaics():
    with pytest.raises(ValueError, match="mosaics"):
        restorer(TINY).denoise(torch.rand(3, 16, 16), mode="direct")
    config = UnetConfig(widths=(4, 4, 8))
    with pytest.raises(ValueError, match="pictures"):
        Restorer(config.build(), config.spec(), Execution(CPU, torch.float32)).demosaic(
            torch.rand(16, 16), NOISE
        )


@pytest.mark.parametrize("change", [{"widths": (0, 4, 8)}])
def test_what_cannot_be_built_is_refused(change):
    with pytest.raises(ValueError, match="no RAW network"):
        replace(TINY, **change)
    with pytest.raises(ValueError, match="does not enlarge"):
        TINY.with_scale(2)
