"""nsp train as a photographer meets it, on small photos and with a tiny network to start from."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsp_cli.cli import console
from nsp_cli.cli.workflows import training, training_data, training_request
from nsp_cli.training import publish
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.run import loop, memory
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.weights.file import describe_weights, save_weights
from tests.pages import Page
from tests.training_photos import noisy_pixels

SMALL = ("--crop", 120, "--batch", 1)


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.set_quiet(False)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(2):
        exif = Image.Exif()
        exif[272] = f"Camera {number}"
        exif.get_ifd(0x8769)[34855] = 3200
        Image.fromarray(noisy_pixels(200, 420, seed=number)).save(folder / f"{number}.png", exif=exif)
    return folder


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Photos too small to hold a region out: judging takes nine tenths of a short run."""
    folder = tmp_path / "squares"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(noisy_pixels(200, 200, seed=number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def train(run_nsp, shots, tiny_weights, tmp_path):
    def run(*arguments: object, folder: Path = shots):
        output = tmp_path / "mine.safetensors"
        return run_nsp("train", folder, "-o", output, "--from", tiny_weights, *SMALL, *arguments), output

    return run


@pytest.fixture
def train_unjudged(train, squares):
    return partial(train, folder=squares)


def test_weights_of_a_folder_denoise_and_tell_their_training(run_nsp, train, shots):
    run, weights = train("--steps", 2)
    assert run.code == 0, run.err
    assert run.out.strip() == str(weights)
    metadata = describe_weights(weights).metadata
    assert (metadata["steps"], metadata["pd_factor"], metadata["start"]) == ("2", "5", "tiny")
    assert metadata["data"].startswith("2 noisy photos")
    assert metadata["recommended"] in {"yes", "no"}
    assert metadata["compared_with"] == "tiny"
    assert run_nsp("denoise", shots / "0.png", "-m", weights).code == 0


def test_a_finished_run_can_be_prolonged(train_unjudged):
    train_unjudged("--steps", 2)
    run, weights = train_unjudged("--steps", 3, "--resume")
    assert run.code == 0, run.err
    assert describe_weights(weights).metadata["steps"] == "3"


def test_page_shows_held_out_photos_and_needs_nothing_else(train):
    run, weights = train("--steps", 1, "--group-by", "camera-iso")
    assert "Camera 1, ISO 3200: 1 photo" in run.err
    page = weights.with_suffix(".html").read_text(encoding="utf-8")
    content = Page(page)
    assert content.faults == []
    assert content.is_self_contained()
    assert "fetch(" not in page
    assert len(content.pictures) == 2  # noisy, before and after, of both photos
    assert all(len(picture["levels"][0]["tiles"]) == 3 for picture in content.pictures)
    for text in (
        "tiny",
        "mine",
        "recorruption",
        "Camera 1, ISO 3200",
        "<svg",
        "1 step in",
        "waiting for photos",
    ):
        assert text in page, text


@pytest.mark.parametrize("name", ["noisy", "tiny"])
def test_versions_are_told_apart_whatever_the_weights_are_called(
    run_nsp, shots, tiny_weights, tmp_path, name
):
    (tmp_path / "new").mkdir()
    output = tmp_path / "new" / f"{name}.safetensors"
    run = run_nsp("train", shots, "-o", output, "--from", tiny_weights, *SMALL, "--steps", 1)
    assert run.code == 0, run.err
    page = output.with_suffix(".html").read_text(encoding="utf-8")
    for picture in Page(page).pictures:
        assert picture["versions"] == ["noisy", "before: tiny", f"after: {name}"]


def test_the_end_of_a_run_tells_how_long_it_waited_for_photos(train_unjudged):
    run, _ = train_unjudged("--steps", 2)
    assert re.search(r"2 steps in \d+\.\d minutes, \d+\.\d% of that time waiting for photos", run.err)


@pytest.mark.parametrize(
    ("moment", "folder", "recommended"),
    [
        ("judge", "shots", {"yes", "no"}),
        ("write_page", "squares", {"unknown"}),
        ("write_card", "squares", {"unknown"}),
        ("save_weights", "shots", {"yes", "no"}),
    ],
)
def test_an_end_that_is_interrupted_can_be_done_again(
    request, train, monkeypatch, moment, folder, recommended
):
    train = partial(train, folder=request.getfixturevalue(folder))

    def stop(*_arguments: object, **_settings: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, moment, stop)
        run, weights = train("--steps", 1)
    assert run.code == 130
    assert "--resume" in run.err
    assert not weights.exists()
    run, _ = train("--steps", 1)
    assert run.code == 1
    assert "belongs to a run that was interrupted" in run.err
    run, _ = train("--steps", 1, "--resume")
    assert run.code == 0, run.err
    assert describe_weights(weights).metadata["recommended"] in recommended
    assert weights.with_suffix(".html").exists()
    assert weights.with_suffix(".md").exists()


@pytest.mark.parametrize("change", [("--resume",), ("--validate", "absent", "absent")])
def test_what_cannot_start_decodes_no_photo(train, tmp_path, change):
    run, _ = train("--steps", 1, *change)
    assert run.code == 1
    assert "no checkpoint to resume" in run.err or "absent is not a folder" in run.err
    assert not (tmp_path / "cache").exists()


def test_a_resumed_run_keeps_the_crop_that_memory_had_room_for(
    train, run_nsp, monkeypatch, squares, tmp_path
):
    def go_on(*changes: object):
        output = tmp_path / "small.safetensors"
        given = ("-o", output, "--from", tmp_path / "tiny.safetensors", "--batch", 1, "--overwrite")
        return run_nsp("train", squares, *given, *changes), output

    with monkeypatch.context() as patch:
        patch.setattr(memory, "free_memory", lambda _device: 1)
        assert go_on("--steps", 1)[0].code == 0
    run, weights = go_on("--steps", 2, "--resume")
    assert run.code == 0, run.err
    metadata = describe_weights(weights).metadata
    assert (json.loads(metadata["recipe"])["crop"], metadata["steps"]) == (120, "2")
    run, _ = go_on("--steps", 3, "--resume", "--crop", 200)
    assert run.code == 1
    assert "other settings: recipe" in run.err


def test_a_resumed_run_keeps_its_batch_unless_told_another(run_nsp, squares, tiny_weights, tmp_path):
    output = tmp_path / "mine.safetensors"

    def go_on(*changes: object):
        given = ("-o", output, "--from", tiny_weights, "--crop", 120, "--overwrite")
        return run_nsp("train", squares, *given, *changes)

    assert go_on("--steps", 1, "--batch", 3).code == 0
    run = go_on("--steps", 2, "--resume")
    assert run.code == 0, run.err
    assert json.loads(describe_weights(output).metadata["recipe"])["batch"] == 3
    assert "other settings: recipe" in go_on("--steps", 3, "--resume", "--batch", 4).err


@pytest.mark.parametrize(
    ("options", "on_cpu", "on_cuda"), [((), 4, 64), (("--batch", 5), 5, 5), (("--recipe", "paper"), 16, 16)]
)
def test_a_gpu_takes_more_crops_at_a_time(run_nsp, shots, tmp_path, monkeypatch, options, on_cpu, on_cuda):
    batches = []

    def stop(request, device):
        for name in ("cpu", "cuda"):
            settled = training_request.settle_recipe(request, ProcessGroup(), torch.device(name))
            batches.append(settled.batch)

    monkeypatch.setattr(training, "run_training", stop)
    monkeypatch.setattr(training_request, "fit_crop", lambda recipe, *_: recipe)
    run = run_nsp("train", shots, "-o", tmp_path / "new.safetensors", "--from", "nothing", *options)
    assert run.code == 0, run.err
    assert batches == [on_cpu, on_cuda]


def test_a_resumed_run_has_the_start_it_had(train_unjudged, run_nsp, squares, tmp_path, tiny_config):
    train_unjudged("--steps", 1)
    other, output = tmp_path / "other.safetensors", tmp_path / "mine.safetensors"
    save_weights(other, tiny_config.build(), network_name="dbsn", config=tiny_config, metadata={})
    run = run_nsp(
        "train", squares, "-o", output, "--from", other, *SMALL, "--steps", 2, "--resume", "--overwrite"
    )
    assert run.code == 1
    assert "other settings: weights to start from" in run.err


def test_a_resumed_run_replaces_no_weights_that_it_did_not_write(train, tmp_path):
    taken = tmp_path / "mine.safetensors"
    taken.write_bytes(b"mine")
    run, _ = train("--steps", 2, "--resume")
    assert run.code == 1
    assert "no checkpoint" in run.err
    assert taken.read_bytes() == b"mine"


def test_a_single_region_is_no_verdict(train, tmp_path):
    single = tmp_path / "single"
    single.mkdir()
    Image.fromarray(noisy_pixels(200, 420)).save(single / "a.png")
    run, weights = train("--steps", 1, folder=single)
    assert "Not judged: a single picture" in run.err
    assert "1 of 1 photo," in run.err
    assert describe_weights(weights).metadata["recommended"] == "unknown"


def test_an_output_folder_that_cannot_be_made_is_an_error(run_nsp, shots, tmp_path):
    (tmp_path / "afile").write_text("in the way")
    run = run_nsp("train", shots, "-o", tmp_path / "afile" / "x.safetensors", "--steps", 1)
    assert run.code == 1
    assert "afile cannot be created" in run.err


def test_card_states_facts_and_verdict(train):
    _, weights = train("--steps", 1, "--licence", "CC0-1.0")
    card = weights.with_suffix(".md").read_text(encoding="utf-8")
    for text in ("# mine", "CC0-1.0", "2 of 2", "tiny", "mine.safetensors", "waiting for photos"):
        assert text in card, text


def test_pairs_decide_where_there_are_some(train, tmp_path):
    for name, sigma in (("noisy", 20.0), ("clean", 0.0)):
        (tmp_path / name).mkdir()
        for number in range(2):
            pixels = noisy_pixels(96, 96, sigma, seed=number)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    run, weights = train("--steps", 1, "--validate", tmp_path / "noisy", tmp_path / "clean")
    assert run.code == 0, run.err
    assert re.search(r"PSNR of the pairs given \(dB\): \d+\.\d\d → \d+\.\d\d", run.err)
    assert "PSNR of the pairs given" in weights.with_suffix(".md").read_text(encoding="utf-8")
    assert "dB" in weights.with_suffix(".md").read_text(encoding="utf-8").split("\n")[2]


def test_photos_too_small_to_hold_out_are_trained_on_unjudged(train, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    Image.fromarray(noisy_pixels(130, 140)).save(small / "a.png")
    run, weights = train("--steps", 1, folder=small)
    assert run.code == 0, run.err
    assert "Not judged" in run.err
    assert describe_weights(weights).metadata["recommended"] == "unknown"


def test_broken_photos_are_named_and_skipped(train, shots):
    (shots / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    run, weights = train("--steps", 1)
    assert run.code == 0, run.err
    assert "broken.jpg" in run.err
    assert "2 of 3 photos" in run.err
    assert "broken.jpg" in weights.with_suffix(".html").read_text(encoding="utf-8")


def test_decoded_photos_are_removed_at_the_end(train_unjudged, tmp_path):
    train_unjudged("--steps", 1)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_an_interruption_before_the_first_step_leaves_nothing_in_the_cache(train, monkeypatch, tmp_path):
    def stop(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_data, "_make_task", stop)
    run, weights = train("--steps", 1)
    assert (run.code, weights.exists()) == (130, False)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_checkpoints_keep_decoded_photos_from_being_taken_for_forgotten(train_unjudged, monkeypatch):
    touched = []
    monkeypatch.setattr(PhotoCache, "touch", lambda cache: touched.append(cache.folder.is_dir()))
    train_unjudged("--steps", 1)
    assert touched == [True]


def test_interruption_says_how_to_go_on(train_unjudged, monkeypatch, tmp_path):
    def stop(*_settings: object, **_options: object) -> None:
        raise KeyboardInterrupt

    train_unjudged("--steps", 1)
    monkeypatch.setattr(loop, "Prefetcher", stop)
    run, weights = train_unjudged("--steps", 2, "--resume", "--overwrite")
    assert run.code == 130
    assert "--resume" in run.err
    assert weights.exists()


def test_settings_reach_the_run_and_are_checked(train, run_nsp, shots):
    run, weights = train("--steps", 1, "--pd-factor", 4, "--learning-rate", 0.25, "--seed", 7)
    assert run.code == 0, run.err
    metadata = describe_weights(weights).metadata
    assert (metadata["pd_factor"], metadata["seed"]) == ("4", "7")
    assert '"learning_rate": 0.25' in metadata["recipe"]
    assert run_nsp("train", shots, "--pd-factor", "2").code == 2


def test_targets_and_their_strategy_reach_the_run_and_must_fit(train_unjudged, run_nsp, squares):
    run, weights = train_unjudged("--steps", 1, "--targets", 4, "--strategy", "intersected")
    assert run.code == 0, run.err
    recipe = json.loads(describe_weights(weights).metadata["recipe"])
    assert (recipe["targets"], recipe["strategy"]) == (4, "intersected")
    assert "n = 4, intersected targets" in weights.with_suffix(".md").read_text(encoding="utf-8")
    run, _ = train_unjudged("--steps", 1, "--overwrite", "--targets", 5)
    assert run.code == 2
    assert "room for 4 consecutive targets of 2×2" in " ".join(run.err.replace("│", "").split())


@pytest.mark.parametrize("t", [1, 4])
def test_scaling_factor_is_the_networks(run_nsp, shots, tmp_path, t):
    output = tmp_path / "new.safetensors"
    command = ("train", shots, "-o", output, "--steps", 1, *SMALL, "--scaling-factor", t)
    assert run_nsp(*command).code == 2
    run = run_nsp(*command, "--from", "nothing")
    assert run.code == 0, run.err
    assert describe_weights(output).config.spec().scale == t
    assert run_nsp("denoise", shots / "0.png", "-m", output, "--plain").code == 0


def test_recipe_goes_by_the_start_and_can_be_the_papers(train_unjudged):
    _, weights = train_unjudged("--steps", 1)
    assert '"simulated": 0.0' in describe_weights(weights).metadata["recipe"]
    run, weights = train_unjudged("--steps", 1, "--recipe", "paper", "--overwrite")
    assert run.code == 0, run.err
    assert '"schedule": "fixed"' in describe_weights(weights).metadata["recipe"]


def test_from_nothing_starts_at_random_weights(run_nsp, shots, tmp_path):
    output = tmp_path / "new.safetensors"
    run = run_nsp("train", shots, "-o", output, "--from", "nothing", "--steps", 1, *SMALL)
    assert run.code == 0, run.err
    info = describe_weights(output)
    assert info.parameters == 235_731
    assert info.metadata["start"] == "random weights (light)"
    assert info.metadata["compared_with"] == "nsp-light"


def test_nothing_to_train_on_is_an_error(train, tmp_path):
    (tmp_path / "empty").mkdir()
    run, _ = train("--steps", 1, folder=tmp_path / "empty")
    assert run.code == 1
    assert "nothing to train on" in run.err


@pytest.mark.parametrize("ending", [".safetensors", ".html", ".md"])
def test_what_is_there_already_is_kept(train, tmp_path, ending):
    taken = tmp_path / f"mine{ending}"
    taken.write_bytes(b"mine")
    run, _ = train("--steps", 1)
    assert run.code == 1
    assert f"mine{ending} already exists" in run.err
    assert taken.read_bytes() == b"mine"


def test_a_grey_wall_without_noise_is_no_obstacle(train, tmp_path):
    clean = tmp_path / "clean"
    clean.mkdir()
    Image.fromarray(np.full((200, 420, 3), 128, np.uint8)).save(clean / "wall.png")
    run, _ = train("--steps", 1, folder=clean)
    assert run.code == 0, run.err


def test_a_folder_that_takes_no_files_is_found_before_photos_are_read(train, monkeypatch):
    def refuse(**_where: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    run, weights = train("--steps", 1)
    assert run.code == 1
    assert "Nothing can be written into the folder" in run.err
    assert "Permission denied" in run.err
    assert "photos," not in run.err
    assert not weights.exists()
