"""The registry is all that the rest of nsp needs to know about a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from nsp_cli.cli.options.training import NetworkOptions
from nsp_cli.networks import NETWORKS, PRESETS, NetworkKind, NetworkSpec
from nsp_cli.weights.file import save_weights


@dataclass(frozen=True)
class IdentityConfig:
    """A network that returns the photo, brighter by a learnt amount."""

    scale: int = 1

    def spec(self) -> NetworkSpec:
        return NetworkSpec(
            scale=self.scale,
            input_multiple=1,
            radius=0,
            exact_tiling=True,
            values_per_pixel=6,
            is_blind_spot=False,
        )

    def with_scale(self, scale: int) -> IdentityConfig:
        return replace(self, scale=scale)

    def build(self) -> Identity:
        return Identity()


class Identity(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.offset


def test_a_new_network_needs_one_line(run_nsp, tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "identity", NetworkKind(IdentityConfig))
    weights, photo, config = tmp_path / "toy.safetensors", tmp_path / "photo.png", IdentityConfig()
    network = config.build()
    with torch.no_grad():
        network.offset.fill_(20 / 255)
    save_weights(weights, network, network_name="identity", config=config, metadata={})
    noise = np.random.default_rng(0).normal(100, 10, (64, 96, 3))
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(photo)

    run = run_nsp("denoise", photo, "-m", weights, "-o", tmp_path / "out.png")

    assert run.code == 0, run.err
    gain = np.asarray(Image.open(tmp_path / "out.png")).mean() - np.asarray(Image.open(photo)).mean()
    assert gain == pytest.approx(20, abs=0.5)
    assert run_nsp("denoise", photo, "-m", weights, "--plain").code == 1
    assert run_nsp("weights", "info", weights).code == 0


def test_preset_names_are_unique():
    assert len(PRESETS) == sum(len(kind.presets) for kind in NETWORKS.values())


def test_train_offers_blind_spot_presets():
    choice, _ = get_args(get_type_hints(NetworkOptions)["network"])  # a Literal, or None
    for name in get_args(choice):
        _, config = PRESETS[name]
        assert config.spec().is_blind_spot


@pytest.mark.parametrize("name", PRESETS)
def test_scale_is_all_that_with_scale_changes(name):
    _, config = PRESETS[name]
    assert config.with_scale(2).spec().scale == 2
    assert config.with_scale(config.spec().scale) == config
