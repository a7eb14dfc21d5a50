"""What the tests of nsp train and nsp distill share: a tiny student, noisy shots, and an interrupted run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from nsp_cli.networks.unet import UnetConfig
from nsp_cli.training.run import loop
from nsp_cli.weights.file import save_weights
from tests.training_photos import noisy_pixels

TINY = UnetConfig(widths=(4, 4, 8), encoder=(1, 1, 1), decoder=(1, 1))


def save_student(folder: Path, config: UnetConfig = TINY, name: str = "student") -> Path:
    """Writes random weights of a student and returns their file."""
    path = folder / f"{name}.safetensors"
    torch.manual_seed(0)
    save_weights(path, config.build(), network_name="unet", config=config, metadata={})
    return path


def save_shots(folder: Path, width: int) -> Path:
    """Writes two noisy photos into folder/shots and returns that.

    Of photos 300 pixels wide no region is held out, of 620 pixels one.
    """
    shots = folder / "shots"
    shots.mkdir()
    for number in range(2):
        Image.fromarray(noisy_pixels(300, width, seed=number)).save(shots / f"{number}.png")
    return shots


def stop_after(step: int, patch: pytest.MonkeyPatch) -> None:
    """Makes every run stop after a step, as Ctrl-C does."""
    run_loop = loop._Loop.run

    def stop(self, stop_request) -> None:
        show = self._on_progress
        self._on_progress = lambda now: (show(now), setattr(stop_request, "is_set", now.step == step))
        run_loop(self, stop_request)

    patch.setattr(loop._Loop, "run", stop)
