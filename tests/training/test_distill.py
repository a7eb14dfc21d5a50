"""nsp distill: from a teacher and noisy photos to a student."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from nsp_cli.cli import console
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.weights.file import describe_weights
from tests.students import TINY, save_student, stop_after


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.set_quiet(False)


@pytest.fixture
def distill(run_nsp, shots, student, tiny_weights, tmp_path):
    def run(*arguments: object, name: str = "mine", start: object = student):
        output = tmp_path / f"{name}.safetensors"
        given = ("--teacher", tiny_weights, "--from", start, "--batch", 2)
        return run_nsp("distill", shots, "-o", output, *given, *arguments), output

    return run


def test_a_student_denoises_and_names_its_teacher(run_nsp, distill, shots):
    run, weights = distill("--steps", 2)
    assert run.code == 0, run.err
    assert run.out.strip() == str(weights)
    info = describe_weights(weights)
    assert (info.network, info.metadata["compared_with"]) == ("unet", "student")
    assert info.metadata["recommended"] in {"yes", "no"}
    assert "taught by tiny" in weights.with_suffix(".md").read_text(encoding="utf-8")
    assert "taught by tiny" in weights.with_suffix(".html").read_text(encoding="utf-8")
    done = run_nsp("denoise", shots / "0.png", "-m", weights)
    assert done.code == 0, done.err
    before, after = (np.asarray(Image.open(path)) for path in (shots / "0.png", done.out.strip()))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("shots", [300], indirect=True)
def test_a_student_can_teach(distill, student):
    run, weights = distill("--steps", 1, "--teacher", student)
    assert run.code == 0, run.err
    assert "taught by student" in weights.with_suffix(".md").read_text(encoding="utf-8")


def test_a_student_can_become_one_that_enlarges(run_nsp, distill, shots):
    run, weights = distill("--steps", 1, "--x2")
    assert run.code == 0, run.err
    assert describe_weights(weights).config == UnetConfig(**{**vars(TINY), "scale": 2})
    done = run_nsp("upscale", shots / "0.png", "--x2", "-m", weights)
    assert done.code == 0, done.err
    with Image.open(done.out.strip()) as enlarged:
        assert enlarged.size == (1240, 600)
    run, _ = distill("--steps", 1, name="other", start=weights)
    assert run.code == 2
    assert "--x2" in run.err


@pytest.mark.slow
@pytest.mark.parametrize("shots", [300], indirect=True)
def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(distill, monkeypatch):
    unbroken, whole = distill("--steps", 4, name="whole")
    assert unbroken.code == 0, unbroken.err
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        run, weights = distill("--steps", 4)
    assert run.code == 130
    assert not weights.exists()
    run, weights = distill("--steps", 4, "--resume")
    assert run.code == 0, run.err
    first, second = load_file(whole), load_file(weights)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_missing_checkpoint_is_reported_before_a_photo_is_decoded(distill):
    run, weights = distill("--steps", 1, "--resume")
    assert run.code == 1
    assert "Traceback" not in run.err
    assert "photos, " not in run.err
    assert not weights.exists()


def test_a_student_cannot_start_from_blind_spot_weights(distill, tiny_weights):
    run, weights = distill("--steps", 1, start=tiny_weights)
    assert run.code == 2
    assert "not a student" in run.err
    assert not weights.exists()


def test_plain_refuses_students(run_nsp, shots, student):
    run = run_nsp("denoise", shots / "0.png", "--plain", "-m", student)
    assert run.code == 1
    assert "nsp-light" in run.err
    assert "Traceback" not in run.err


def test_mode_pd_refuses_students(run_nsp, shots, tmp_path):
    enlarging = save_student(tmp_path, replace(TINY, scale=2), "enlarging")
    run = run_nsp("upscale", shots / "0.png", "--mode", "pd", "-m", enlarging)
    assert run.code == 1
    assert "nsp-light" in run.err


def test_upscale_refuses_students_that_do_not_enlarge(run_nsp, shots, student):
    run = run_nsp("upscale", shots / "0.png", "-m", student)
    assert run.code == 1
    assert "does not enlarge" in run.err
