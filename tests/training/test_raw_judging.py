"""The verdict on RAW networks agrees with what the truth would say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.hold_out import hold_out
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import load_pool
from nsp_cli.training.data.raw_files import load_mosaic, read_sensors
from nsp_cli.training.measures import Judgement
from nsp_cli.training.raw.own_windows import aligned, denoised, whole_crop
from nsp_cli.training.raw.splitting import own_colours
from nsp_cli.training.raw_judging import developed_versions, judge_raw
from nsp_cli.training.verdict import describe_verdict
from tests.raw_shots import PHASES, WARM, light_of, write_shot

# Columns that `hold_out` takes of a file of 420.
HELD_OUT = 192
NAMES = ("chelsea", "coffee", "astronaut", "rocket")


def held_out_of(folder: Path, *, exposure: float = 1.0, orientation: int = 1) -> Any:
    """Held-out regions of four RAW files, and their sensors; the regions may be brighter than the rest."""
    raws = folder / "raws"
    raws.mkdir()
    for number, name in enumerate(NAMES):
        light = light_of(name, 300, 420)
        light[:, -HELD_OUT:] *= exposure
        options = {"pattern": PHASES[number], "orientation": orientation}
        write_shot(raws / f"{number}.dng", light, seed=number, **options)
    pool = load_pool([raws], PhotoCache(raws, root=folder / "cache"), crop=130, seed=0, load=load_mosaic)
    return hold_out(pool)[1], read_sensors(pool.photos)


class Mixed(nn.Module):
    """A network whose answer is that of another, with a share of what comes in left."""

    def __init__(self, network: nn.Module, share: float, offset: float = 0.0) -> None:
        super().__init__()
        self.network, self.share, self.offset = network, share, offset

    def forward(self, mosaic: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        seen = self.network(mosaic, noise)
        return seen + self.share * (mosaic - seen) + self.offset


def judged(bundled: Any, folder: Path, *changes: Any) -> Judgement | None:
    """Judgement on two versions of nsp-raw."""
    (regions, sensors), stock = held_out_of(folder), bundled("nsp-raw")
    before, after = (Restorer(make(stock.network), stock.spec, stock.execution) for make in changes)
    return judge_raw(before, after, regions, sensors)


def same(network: nn.Module) -> nn.Module:
    return network


def test_a_network_that_leaves_noise_is_not_recommended(bundled: Any, tmp_path: Path) -> None:
    judgement = judged(bundled, tmp_path, same, lambda network: Mixed(network, 0.3))
    assert judgement is not None
    assert judgement.decisive.is_worse
    verdict = describe_verdict(judgement, Path("mine.safetensors"), "nsp-raw")
    assert "Keep using nsp-raw" in verdict


def test_nor_is_one_that_shifts_colours(bundled: Any, tmp_path: Path) -> None:
    judgement = judged(bundled, tmp_path, same, lambda network: Mixed(network, 0.0, 0.01))
    assert judgement is not None
    assert judgement.decisive.is_worse


def test_a_much_better_one_is_recommended(bundled: Any, tmp_path: Path) -> None:
    judgement = judged(bundled, tmp_path, lambda network: Mixed(network, 0.3), same)
    assert judgement is not None
    assert judgement.is_better


def test_the_same_network_is_no_better(bundled: Any, tmp_path: Path) -> None:
    judgement = judged(bundled, tmp_path, same, same)
    assert judgement is not None
    assert judgement.decisive.gain == 0
    assert not judgement.is_better


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_errors_are_those_beside_the_truth(bundled: Any, tmp_path: Path, share: float) -> None:
    (regions, sensors), stock = held_out_of(tmp_path), bundled("nsp-raw")
    network = Mixed(stock.network, share)
    estimates, errors = [], []
    for number, region in enumerate(regions):
        photo, sensor = aligned(region, sensors[region.file]), sensors[region.file]
        crops = whole_crop(photo, denoised(stock, photo, sensor).pixels, sensor)
        split = crops.split(0.5, [torch.Generator().manual_seed(number)])
        height, width = (side // 8 * 8 for side in (photo.height, photo.width))
        with torch.inference_mode():
            seen = network(split.given[..., :height, :width], split.told)
        predicted = torch.zeros(1, 3, photo.height, photo.width)
        predicted[..., :height, :width] = seen
        split.weight[..., height:, :] = 0
        split.weight[..., width:] = 0
        estimates.append(float(split.error(predicted)))
        off = (own_colours(predicted) - own_colours(truth_of(region, photo, sensor))).square()
        errors.append(float((split.weight * off).sum() / (split.weight > 0).sum()))
    assert fmean(estimates) == pytest.approx(fmean(errors), rel=0.1)


def truth_of(region: Any, photo: Any, sensor: Any) -> torch.Tensor:
    """What the sensor would see of an aligned region without noise, white-balanced, (1, 3, H, W)."""
    seen = np.clip(light_of(NAMES[int(region.source.stem)], 300, 420) @ WARM.T, 0, 1)
    cut = seen[photo.top : photo.top + photo.height, photo.left : photo.left + photo.width]
    return torch.from_numpy(cut * sensor.gains).float().permute(2, 0, 1)[None]


def test_overexposed_files_are_not_judged_by(bundled: Any, tmp_path: Path) -> None:
    regions, sensors = held_out_of(tmp_path, exposure=200.0)
    assert len(regions) == len(NAMES)
    assert judge_raw(bundled("nsp-raw"), bundled("nsp-raw"), regions, sensors) is None


@pytest.mark.parametrize("count", [0, 3])
def test_few_regions_are_not_judged_by(bundled: Any, tmp_path: Path, count: int) -> None:
    regions, sensors = held_out_of(tmp_path)
    assert judge_raw(bundled("nsp-raw"), bundled("nsp-raw"), regions[:count], sensors) is None


def test_versions_are_upright_and_alike(bundled: Any, tmp_path: Path) -> None:
    regions, sensors = held_out_of(tmp_path, orientation=6)
    region = regions[0].window(0, 0, 64, 96)
    versions = developed_versions({"after": bundled("nsp-raw")}, region, sensors[region.file])
    assert list(versions) == ["noisy", "after"]
    noisy, after = (version.float() for version in versions.values())
    assert noisy.shape == after.shape == (3, 96, 64)
    assert mean_distance([noisy, after]) < 0.05 * 65535


def mean_distance(pictures: Sequence[torch.Tensor]) -> float:
    return float((pictures[0] - pictures[1]).abs().mean())
