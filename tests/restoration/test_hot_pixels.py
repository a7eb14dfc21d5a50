"""Hot pixels of a sensor are removed before anything is filled in; stars and noise stay."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.noise.sensor_noise import MosaicNoise
from nsp_cli.restoration.hot_pixels import without_hot_pixels

ELECTRONS, READ = 1000.0, 3.0
NOISE = MosaicNoise((1 / ELECTRONS,) * 3, ((READ / ELECTRONS) ** 2,) * 3, 1000)
GAINS = (2.0, 1.0, 1.5)
PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
SIDE = 256


def noisy(light: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    counted = torch.poisson(light * ELECTRONS, generator=generator)
    return (counted + READ * torch.randn(light.shape, generator=generator)) / ELECTRONS


def gain_of_sites(phase: tuple[int, int]) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    colours = (rows % 2 != phase[0]).long() + (columns % 2 != phase[1]).long()
    return torch.tensor(GAINS)[colours]


def sprinkled(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Places at least four pixels apart, some of them at the edges."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.randperm((SIDE // 8) ** 2, generator=generator)[:count]
    inside = torch.randint(0, 4, (2, count), generator=generator)
    return cells // (SIDE // 8) * 8 + inside[0], cells % (SIDE // 8) * 8 + inside[1]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("level", "excess"), [(0.002, 0.15), (0.02, 0.3), (0.05, 0.5), (0.3, 1.2)])
def test_hot_pixels_are_found_and_replaced(phase, level, excess):
    clean = level / gain_of_sites(phase)
    light, places = noisy(clean), sprinkled()
    light[places] += excess
    before = light.clone()
    count = without_hot_pixels(light, NOISE, phase, GAINS)
    assert count >= 50  # beside the others there is more noise than usual
    deviation = (NOISE.slope[1] * clean + NOISE.floor[1]).sqrt()
    assert ((light - clean).abs()[places] < 4 * deviation[places]).sum() == count
    others = torch.ones_like(light, dtype=torch.bool)
    others[places] = False
    assert (light[others] == before[others]).all()


def test_noise_stays():
    for level in (0.0, 0.001, 0.01, 0.1, 0.6):
        light = noisy(torch.full((SIDE, SIDE), level))
        before = light.clone()
        assert without_hot_pixels(light, NOISE, (0, 0), GAINS) == 0
        assert (light == before).all()


@pytest.mark.parametrize("width", [0.5, 0.7, 1.2])
@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (1.0, 0.5, 0.15), (0.4, 0.7, 1.0)])
def test_stars_stay(width, colour):
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    generator, sky = torch.Generator().manual_seed(2), torch.zeros(SIDE, SIDE)
    for row, column in torch.randint(8, SIDE - 8, (40, 2), generator=generator).tolist():
        centre = torch.rand(2, generator=generator) - 0.5
        distance = (rows - row - centre[0]) ** 2 + (columns - column - centre[1]) ** 2
        sky += 0.4 * torch.exp(-distance / (2 * width**2))
    share = torch.tensor(colour)[torch.tensor([0, 1, 2])]
    colours = (rows % 2 != 0).long() + (columns % 2 != 0).long()
    light = noisy((0.01 + sky) * share[colours] / torch.tensor(GAINS)[colours])
    before = light.clone()
    without_hot_pixels(light, NOISE, (0, 0), GAINS)
    # No star loses a tenth of its light.
    lost = torch.nn.functional.avg_pool2d((before - light)[None, None], 7, 1, 3)[0, 0] * 49
    assert lost.max() < 0.1 * 0.4 * 6.28 * width**2 * min(1, width)


def test_edges_of_things_stay():
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    scene = 0.05 + 0.6 * ((rows // 24 + columns // 24) % 2) + 0.2 * (rows % 24 == 5)
    light = noisy(scene / gain_of_sites((0, 0)))
    assert without_hot_pixels(light, NOISE, (0, 0), GAINS) == 0
