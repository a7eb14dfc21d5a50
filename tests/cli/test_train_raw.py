"""nsp train on a photographer's RAW files: the network for what the sensor saw is adapted to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from nsp_cli.cli import console
from nsp_cli.photo import read_provenance
from nsp_cli.training.verdict import FEW_REGIONS
from nsp_cli.weights.file import describe_weights
from tests.pages import Page
from tests.raw_files import XTRANS, scene, write_raw
from tests.raw_shots import TINY_RAW, save_raw_shots, save_tiny_raw
from tests.students import save_student, stop_after
from tests.training_photos import noisy_pixels


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.set_quiet(False)


@pytest.fixture
def raws(tmp_path: Path) -> Path:
    return save_raw_shots(tmp_path)


@pytest.fixture
def adapt(run_nsp: Any, raws: Path, tmp_path: Path) -> Any:
    tiny = save_tiny_raw(tmp_path)

    def run(*arguments: object, name: str = "mine", start: object = tiny) -> Any:
        output = tmp_path / f"{name}.safetensors"
        given = ("--from", start) if start else ()
        return run_nsp("train", raws, "-o", output, *given, "--batch", 2, *arguments), output

    return run


def words(text: str) -> str:
    return " ".join(text.replace("│", "").split())


def test_the_raw_network_is_adapted_by_default_and_denoises_raw(run_nsp: Any, adapt: Any, raws: Path) -> None:
    run, weights = adapt("--steps", 1, start=None)
    assert run.code == 0, run.err
    assert "so nsp-raw is adapted" in run.err
    assert run.out.strip() == str(weights)
    info = describe_weights(weights)
    assert (info.network, info.metadata["start"], info.metadata["compared_with"]) == (
        "bayer",
        "nsp-raw",
        "nsp-raw",
    )
    assert info.metadata["data"].startswith("2 RAW files")
    done = run_nsp("denoise", raws / "0.dng", "-m", weights)
    assert done.code == 0, done.err
    made = read_provenance(raws / "0_denoised.tif")
    assert made is not None
    assert made.weights == "mine"


def test_the_page_shows_developed_crops(adapt: Any) -> None:
    run, weights = adapt("--steps", 1, "--group-by", "camera-iso")
    assert run.code == 0, run.err
    content = Page(weights.with_suffix(".html").read_text(encoding="utf-8"))
    assert content.faults == []
    assert content.is_self_contained()
    assert content.pictures
    assert content.pictures[0]["versions"] == ["noisy", "before: tiny-raw", "after: mine"]
    assert "RAW files" in weights.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.parametrize("other", ["photo.png", "xtrans.dng"])
def test_a_mixed_folder_takes_the_way_of_pictures(
    run_nsp: Any, raws: Path, tmp_path: Path, other: str
) -> None:
    add_other(raws, other)
    output = tmp_path / "mine.safetensors"
    run = run_nsp("train", raws, "-o", output, "--batch", 2, "--steps", 1)
    assert run.code == 0, run.err
    assert "nsp-fast is adapted to developed photos" in run.err
    assert f"{raws / other} (" in run.err
    assert "--from nsp-raw" in run.err
    assert describe_weights(output).network == "unet"


def add_other(folder: Path, name: str) -> None:
    """Writes what is no RAW file of a Bayer sensor into a folder."""
    if name.endswith("png"):
        Image.fromarray(noisy_pixels(200, 420)).save(folder / name)
    else:
        write_raw(folder / name, scene(516), pattern=XTRANS)


def test_named_weights_for_raw_use_the_raw_files_of_a_mixed_folder(adapt: Any, raws: Path) -> None:
    for other in ("photo.png", "xtrans.dng"):
        add_other(raws, other)
    run, weights = adapt("--steps", 1)
    assert run.code == 0, run.err
    assert "2 of 4 photos" in run.err
    assert f"{raws / 'photo.png'} does not hold what a Bayer sensor saw" in words(run.err)
    assert "without Bayer's pattern" in words(run.err)
    assert describe_weights(weights).network == "bayer"


def test_what_cannot_be_read_does_not_decide(adapt: Any, raws: Path) -> None:
    (raws / "broken.dng").write_bytes(b"II*\0nothing")
    run, _ = adapt("--steps", 1, start=None)
    assert run.code == 0, run.err
    assert "so nsp-raw is adapted" in run.err


def test_other_weights_and_networks_take_the_way_of_pictures(adapt: Any, tmp_path: Path) -> None:
    run, weights = adapt("--steps", 1, start=save_student(tmp_path))
    assert run.code == 0, run.err
    assert describe_weights(weights).network == "unet"
    run, weights = adapt("--steps", 1, "--network", "light", "--crop", 120, name="light", start=None)
    assert run.code == 0, run.err
    assert describe_weights(weights).network == "dbsn"


@pytest.mark.parametrize("option", [("--crop", 160), ("--recipe", "paper"), ("--targets", 1)])
def test_settings_of_the_papers_networks_are_refused(adapt: Any, option: tuple[object, ...]) -> None:
    for start in (None, "nsp-raw"):
        run, weights = adapt("--steps", 1, *option, start=start)
        assert (run.code, weights.exists()) == (2, False)
        assert "settings of the paper's networks" in words(run.err)


def test_pairs_of_pictures_are_refused(adapt: Any, tmp_path: Path) -> None:
    run, _ = adapt("--steps", 1, "--validate", tmp_path, tmp_path)
    assert run.code == 2
    assert "--validate compares pictures" in words(run.err)


def test_a_folder_without_anything_usable_is_an_error(run_nsp: Any, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    write_raw(folder / "a.dng", np.full((60, 60, 3), 0.3))
    run = run_nsp("train", folder, "-o", tmp_path / "a.safetensors", "--steps", 1)
    assert run.code == 1
    assert "nothing to train on" in words(run.err)


def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(adapt: Any, monkeypatch: Any) -> None:
    unbroken, whole = adapt("--steps", 4, name="whole")
    assert unbroken.code == 0, unbroken.err
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        run, weights = adapt("--steps", 4)
    assert run.code == 130
    assert "--resume" in run.err
    run, weights = adapt("--steps", 4, "--resume")
    assert run.code == 0, run.err
    first, second = load_file(whole), load_file(weights)
    assert describe_weights(weights).config == TINY_RAW
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_few_files_are_told_that_they_are_too_few_to_judge_by(adapt: Any) -> None:
    run, _ = adapt("--steps", 1)
    assert run.code == 0, run.err
    text = words(run.err)
    assert "Held out to judge the result: 2 regions" in text
    assert "that takes 4 regions" in text
    assert f"Not judged: {FEW_REGIONS}." in text
