"""nsp train as most people use it: the default network is adapted to a folder of noisy photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy import ndimage
from skimage import data

from nsp_cli.cli import console
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration.pipeline import denoise_tensor
from nsp_cli.weights.file import describe_weights
from tests.students import TINY, save_student, stop_after


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.set_quiet(False)


@pytest.fixture
def adapt(run_nsp, shots, student, tmp_path):
    def run(*arguments: object, name: str = "mine", folder: Path = shots, start: object = student):
        output = tmp_path / f"{name}.safetensors"
        given = ("--from", start) if start else ()
        return run_nsp("train", folder, "-o", output, *given, "--batch", 2, *arguments), output

    return run


def test_adapted_weights_denoise_and_say_where_they_are_from(run_nsp, adapt, shots):
    run, weights = adapt("--steps", 2)
    assert run.code == 0, run.err
    assert run.out.strip() == str(weights)
    info = describe_weights(weights)
    assert (info.network, info.config) == ("unet", TINY)
    assert info.metadata["compared_with"] == "student"
    assert info.metadata["recommended"] == "unknown"  # two regions are too few to judge
    assert info.metadata["data"].startswith("2 noisy photos")
    assert "the noise of these photos" in weights.with_suffix(".md").read_text(encoding="utf-8")
    assert run_nsp("denoise", shots / "0.png", "-m", weights).code == 0


def test_the_default_network_is_adapted_unless_another_is_named(adapt):
    run, weights = adapt("--steps", 1, start=None)
    assert run.code == 0, run.err
    assert describe_weights(weights).metadata["start"] == "nsp-fast"
    small = ("--steps", 1, "--crop", 120, "--batch", 1)
    run, weights = adapt(*small, "--network", "light", name="light", start=None)
    assert run.code == 0, run.err
    info = describe_weights(weights)
    assert (info.network, info.metadata["start"]) == ("dbsn", "nsp-light")


def test_what_does_not_go_together_is_refused(adapt, tmp_path, student):
    run, weights = adapt("--steps", 1, "--crop", 160)
    assert (run.code, weights.exists()) == (2, False)
    assert "--network light" in run.err
    run, _ = adapt("--steps", 1, "--network", "dbsn")
    assert run.code == 2
    enlarging = save_student(tmp_path, replace(TINY, scale=2), "enlarging")
    run, _ = adapt("--steps", 1, start=enlarging)
    assert run.code == 2
    assert "nsp distill --x2" in " ".join(run.err.replace("│", "").split())


def test_a_clean_folder_is_no_obstacle(adapt, tmp_path):
    clean = tmp_path / "clean"
    clean.mkdir()
    Image.fromarray(np.full((300, 620, 3), 128, np.uint8)).save(clean / "wall.png")
    run, _ = adapt("--steps", 1, folder=clean)
    assert run.code == 0, run.err


@pytest.mark.slow
def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(adapt, monkeypatch):
    unbroken, whole = adapt("--steps", 4, name="whole")
    assert unbroken.code == 0, unbroken.err
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        run, weights = adapt("--steps", 4)
    assert run.code == 130
    run, weights = adapt("--steps", 4, "--resume")
    assert run.code == 0, run.err
    first, second = load_file(whole), load_file(weights)
    assert all(torch.equal(first[name], second[name]) for name in first)


def blotched(name: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A photo of scikit-image with wide blotches of colour, and without, (3, H, W) uint8."""
    clean = getattr(data, name)()[:384, :384].astype(float)
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(clean.shape), (2.5, 2.5, 0))
    noise -= noise.mean(2, keepdims=True)
    noisy = (clean + 12 * noise / noise.std()).round().clip(0, 255)
    return tuple(torch.from_numpy(one.astype(np.uint8)).permute(2, 0, 1) for one in (noisy, clean))


@pytest.mark.slow
def test_odd_noise_is_learned_from_noisy_photos_alone(adapt, bundled, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for seed, name in enumerate(("astronaut", "chelsea", "rocket")):
        noisy, _ = blotched(name, seed)
        Image.fromarray(noisy.permute(1, 2, 0).numpy()).save(folder / f"{name}.png")
    run, weights = adapt("--steps", 30, "--batch", 4, folder=folder, start=None)
    assert run.code == 0, run.err
    assert "Not judged" in run.err  # two or three flat places are too few
    noisy, clean = blotched("coffee", 9)
    before, after = (
        psnr(denoise_tensor(bundled(str(one)), noisy)[0], clean) for one in ("nsp-fast", weights)
    )
    assert after > before + 0.5
