"""TBSN layer by layer: equal to one whole pass where plain tiles are not, and what it keeps."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from nsp_cli.errors import DeviceError
from nsp_cli.networks.tbsn import Tbsn, TbsnConfig
from nsp_cli.networks.tbsn.attention import ChannelAttention, FeedForward
from nsp_cli.networks.tbsn.by_layers import kept_values
from nsp_cli.networks.tbsn.network import Block
from nsp_cli.restoration import feature_maps, layer_passes
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer

CONFIG = TbsnConfig(dim=8, num_blocks=(1, 1, 1), num_refinement_blocks=1, spatial_head_size=2)
CPU, WHOLE = torch.device("cpu"), 10_000


def network(config: TbsnConfig = CONFIG) -> Tbsn:
    """Random weights whose blocks count as much as what they are added to, so that attention matters."""
    torch.manual_seed(0)
    tbsn = config.build()
    with torch.no_grad():
        for module in tbsn.modules():
            if isinstance(module, nn.Conv2d):
                module.weight *= 3**0.5
        tbsn.patch_embed.proj.weight /= 50
        tbsn.output[-1].weight *= 100
    return tbsn


def restorer(
    core: int, *, tbsn: Tbsn | None = None, precision: torch.dtype = torch.float32, is_plain: bool = False
) -> Restorer:
    tbsn = tbsn or network()
    spec = replace(tbsn.config.spec(), exact_tiling=is_plain)  # as if plain tiles were exact
    return Restorer(tbsn, spec, Execution(CPU, precision, core))


def photo(height: int = 100, width: int = 70) -> Tensor:
    noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))
    return noise * torch.linspace(0.2, 1, width)


def restored(given: Restorer, noisy: Tensor, mode: str, task: str, **options: object) -> Tensor:
    return getattr(given, task)(noisy, mode=mode, **options)


# Each photo is higher than a core and its halo.
@pytest.mark.parametrize("task", ["denoise", "upscale"])
@pytest.mark.parametrize(("mode", "core", "height"), [("pd", 64, 230), ("direct", 32, 130)])
def test_layers_equal_one_whole_pass(mode, core, height, task):
    noisy = photo(height, 101)
    whole = restored(restorer(WHOLE), noisy, mode, task)
    layered = restored(restorer(core), noisy, mode, task)
    assert whole.std() > 0.1
    torch.testing.assert_close(layered, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("mode", "height"), [("pd", 230), ("direct", 130)])
def test_plain_tiles_do_not_equal_one_whole_pass(mode, height):
    """Averages that differ come from enlargements that differ."""
    noisy = photo(height, 101)
    whole, plain = (
        given.denoise(noisy, mode=mode) for given in (restorer(WHOLE), restorer(64, is_plain=True))
    )
    assert (plain - whole).abs().max() > 1e-3


@pytest.mark.parametrize(("height", "width"), [(1, 70), (67, 3), (64, 96), (33, 65)])
def test_photos_of_any_size(height, width):
    noisy, core = photo(height, width), 32
    whole = restorer(WHOLE).upscale(noisy, mode="direct")
    torch.testing.assert_close(restorer(core).upscale(noisy, mode="direct"), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", [{"t": 1}, {"t": 4}, {"window_size": 4, "overlap_ratio": 1.0}])
def test_other_configs(change):
    tbsn = network(replace(CONFIG, **change))
    noisy = photo(70, 50)
    whole = restorer(WHOLE, tbsn=tbsn).denoise(noisy, mode="direct")
    layered = restorer(16, tbsn=tbsn).denoise(noisy, mode="direct")
    torch.testing.assert_close(layered, whole, atol=1e-5, rtol=0)


def test_integer_photos_are_rounded_to_their_type():
    noisy = (photo() * 255).to(torch.uint8)
    whole, layered = (restorer(core).denoise(noisy, mode="direct") for core in (WHOLE, 32))
    assert layered.dtype == torch.uint8
    assert (layered.int() - whole.int()).abs().max() <= 1


def test_bfloat16_stays_near_float32():
    exact = restorer(32).denoise(photo(), mode="direct")
    rounded = restorer(32, precision=torch.bfloat16).denoise(photo(), mode="direct")
    error = (rounded - exact).square().mean().sqrt()
    assert 0 < error < 0.1 * exact.std()


@pytest.mark.parametrize("mode", ["pd", "direct"])
def test_progress_rises_to_the_photos_pixels(mode):
    seen: list[tuple[int, int]] = []
    noisy = photo(130, 101)
    restored(restorer(32), noisy, mode, "denoise", on_progress=lambda *now: seen.append(now))
    assert seen[-1] == (130 * 101, 130 * 101)
    assert seen == sorted(seen)
    assert len({done for done, _ in seen}) > 50


@pytest.mark.parametrize(("t", "values"), [(1, 20), (2, 28)])
def test_kept_features_and_tiles_are_bounded(monkeypatch, t, values):
    kept: list[tuple[weakref.ref[Tensor], int]] = []
    most, tiles = [], set()
    make, convolve = layer_passes.empty_map, FeedForward.forward

    def counted_map(shape: tuple[int, ...], place: torch.device | None) -> Tensor:
        made = make(shape, place)
        kept.append((weakref.ref(made), made.numel()))
        most.append(sum(count for one, count in kept if one() is not None))
        return made

    def seen(layer: FeedForward, x: Tensor) -> Tensor:
        tiles.add(x[0, 0].numel())
        return convolve(layer, x)

    monkeypatch.setattr(layer_passes, "empty_map", counted_map)
    monkeypatch.setattr(FeedForward, "forward", seen)
    tbsn = network(replace(CONFIG, t=t))
    restorer(32, tbsn=tbsn).denoise(photo(160, 128), mode="direct")
    assert max(most) == kept_values(tbsn) * 160 * 128 == values * 160 * 128
    assert max(tiles) == (16 + 32 + 16) ** 2


def test_features_that_do_not_fit_in_memory_lie_in_a_file_that_vanishes(monkeypatch, tmp_path):
    expected = restorer(32).denoise(photo(), mode="direct")
    files, open_file = [], tempfile.TemporaryFile
    monkeypatch.setattr(feature_maps, "free_memory", lambda _: 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: files.append(1) or open_file())
    assert torch.equal(restorer(32).denoise(photo(), mode="direct"), expected)
    assert len(files) == 6
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("refuse", ["before", "while writing"])
def test_a_disk_without_space_is_an_error(monkeypatch, refuse):
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(feature_maps, "free_memory", lambda _: 0)
    if refuse == "before":
        monkeypatch.setattr(feature_maps.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    else:
        monkeypatch.setattr(feature_maps.os, "posix_fallocate", full, raising=False)
    with pytest.raises(DeviceError, match=r"features need .* GB"):
        restorer(32).denoise(photo(), mode="direct")


def test_tiles_that_do_not_fit_are_halved(monkeypatch):
    expected = restorer(64).denoise(photo(), mode="direct")
    attend, refused = Block.forward, []

    def limited(block: Block, x: Tensor, mixing: Tensor | None = None) -> Tensor:
        if x[0, 0].numel() > 64**2:
            refused.append(1)
            raise torch.OutOfMemoryError("simulated")
        return attend(block, x, mixing)

    monkeypatch.setattr(Block, "forward", limited)
    halved = restorer(64).denoise(photo(), mode="direct")
    assert refused
    torch.testing.assert_close(halved, expected, atol=1e-5, rtol=0)


def test_what_is_not_finite_is_done_again_in_float32(monkeypatch):
    tbsn = network()
    expected = restorer(32, tbsn=tbsn).denoise(photo(), mode="direct")
    project, failed = ChannelAttention.project, []

    def project_badly(layer: ChannelAttention, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            failed.append(1)
            return project(layer, x) * torch.nan
        return project(layer, x)

    monkeypatch.setattr(ChannelAttention, "project", project_badly)
    repeated = restorer(32, tbsn=tbsn, precision=torch.bfloat16).denoise(photo(), mode="direct")
    assert failed
    # The layers without attention stay in bfloat16.
    assert (repeated - expected).square().mean().sqrt() < 0.05 * expected.std()
