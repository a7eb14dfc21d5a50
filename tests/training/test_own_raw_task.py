"""RAW files become crops to learn from: in the phase of the network, with what is known of their noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsp_cli.errors import InputError, TrainingError
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.data.hold_out import hold_out
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, load_pool
from nsp_cli.training.data.raw_files import load_mosaic, read_sensors
from nsp_cli.training.raw.own_preparation import prepare_own_windows
from nsp_cli.training.raw.own_task import OwnRawTask, _cut, draw_own_camera
from nsp_cli.training.raw.own_windows import OwnWindow, aligned, crop_of, mosaic_of
from nsp_cli.training.raw.splitting import own_colours
from nsp_cli.training.run.distributed import ProcessGroup
from nsp_cli.training.run.recipe import RawAdaptationRecipe
from nsp_cli.training.run.trainer import Trainer
from tests.raw_shots import PHASES, TINY_RAW, WARM, light_of, save_raw_shots, write_shot

CPU = torch.device("cpu")
RECIPE = RawAdaptationRecipe(crop=48, batch=4)


def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(TINY_RAW.build().eval(), TINY_RAW.spec(), Execution.choose("cpu"))


def read(folder: Path, **options: Any) -> PhotoPool:
    return load_pool(
        [folder], PhotoCache(folder, root=folder.parent / "cache"), crop=50, seed=0, load=load_mosaic
    )


def windows_of(folder: Path) -> list[OwnWindow]:
    pool = read(folder)
    cache = PhotoCache(folder, root=folder.parent / "cache")
    return prepare_own_windows(pool.photos, read_sensors(pool.photos), cache, restorer(), "tiny")


@pytest.fixture
def raws(tmp_path: Path) -> Path:
    return save_raw_shots(tmp_path)


def test_a_file_is_stored_with_its_noise_and_found_again(raws: Path) -> None:
    pool, again = read(raws), read(raws)
    assert again == pool
    for photo, sensor in zip(pool.photos, read_sensors(pool.photos).values(), strict=True):
        assert sensor.noise.electrons == pytest.approx(500, rel=0.15)
        white = np.array(sensor.gains) * WARM.sum(1)
        np.testing.assert_allclose(white, white[1], rtol=0.01)
        assert (photo.height, photo.width) == (300, 400)


def flat(tmp_path: Path, phase: int) -> Any:
    """A pool of one RAW file of one colour without noise worth speaking of, its sensor and what it sees."""
    folder, colour = tmp_path / f"flat{phase}", np.array([0.5, 0.3, 0.2])
    folder.mkdir()
    light = np.broadcast_to(colour, (200, 220, 3))
    write_shot(folder / "a.dng", light, electrons=20_000, pattern=PHASES[phase])
    pool = read(folder)
    return pool.photos[0], read_sensors(pool.photos)[pool.photos[0].file], colour @ WARM.T


@pytest.mark.parametrize("phase", range(4))
def test_whatever_the_phase_crops_begin_with_red(tmp_path: Path, phase: int) -> None:
    photo, sensor, seen = flat(tmp_path, phase)
    for top, left in ((0, 0), (3, 6), (5, 7)):
        part = aligned(photo.window(top, left, 150, 151), sensor)
        assert part.height % 2 == part.width % 2 == 0
        light = torch.from_numpy(mosaic_of(part, sensor).light())
        picture = torch.tensor(seen).float().view(3, 1, 1).expand(3, *light.shape)
        balanced, expected, *_ = crop_of(light, picture, sensor)
        assert float((balanced - expected).abs().max()) < 0.08
        assert float((balanced - expected).mean().abs()) < 1e-3


@pytest.mark.parametrize("phase", range(4))
def test_turned_and_mirrored_crops_do_so_too(tmp_path: Path, phase: int) -> None:
    photo, sensor, seen = flat(tmp_path, phase)
    part = aligned(photo, sensor)
    file = tmp_path / "expected.npy"
    np.save(file, np.broadcast_to(np.rint(seen * 65535), (part.height, part.width, 3)).astype(np.uint16))
    picture = replace(part, file=file, top=0, left=0)
    window = OwnWindow(part, picture, picture, sensor)
    for seed in range(16):
        light, expected = _cut(window, 48, torch.Generator().manual_seed(seed))
        assert float((light - own_colours(expected[None])[0, 0]).abs().max()) < 0.08


def test_a_cut_shows_the_same_of_both(raws: Path) -> None:
    """What the sensor saw and what is expected there are turned alike."""
    [window, _] = windows_of(raws)
    mosaic = mosaic_of(window.mosaic, window.sensor)
    file = window.mosaic.file.with_name("plain.npy")
    np.save(file, np.repeat((mosaic.light().clip(0, 1) * 65535)[..., None], 3, 2).astype(np.uint16))
    window = replace(window, expected=replace(window.expected, file=file))
    for seed in range(16):
        light, expected = _cut(window, 48, torch.Generator().manual_seed(seed))
        torch.testing.assert_close(light.clamp(0, 1), expected[0], atol=1e-4, rtol=0)


def test_what_cannot_be_used_is_left_out_with_the_reason(raws: Path) -> None:
    write_shot(raws / "small.dng", light_of("coffee", 100, 200))
    write_shot(raws / "white.dng", np.ones((200, 200, 3)) * 3, black=())
    write_shot(raws / "still.dng", np.full((200, 200, 3), 0.3), electrons=1e9)
    pool = read(raws)
    assert len(pool.photos) == 2
    reasons = {path.name: reason for path, reason in pool.skipped}
    assert "too small" in reasons["small.dng"]
    assert "could not be measured" in reasons["still.dng"]
    assert reasons.keys() == {"small.dng", "still.dng", "white.dng"}


def test_dark_photos_teach_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "dark"
    folder.mkdir()
    # A file that holds nothing below black cuts off half of the noise there.
    write_shot(folder / "a.dng", light_of("coffee") * 0.004, black=())
    with pytest.raises((TrainingError, InputError), match=r"too dark|could not be measured|nothing to train"):
        windows_of(folder)


def test_simulated_cameras_are_those_of_the_files(raws: Path) -> None:
    sensors = [window.sensor for window in windows_of(raws)]
    camera = draw_own_camera(sensors, torch.Generator().manual_seed(0))
    assert camera.gains == pytest.approx(sensors[0].gains)
    assert camera.electrons == pytest.approx(500, rel=0.15)
    expected = WARM / WARM.sum(1, keepdims=True)
    np.testing.assert_allclose(camera.colours, expected, atol=0.01)


def test_the_same_step_gives_the_same_batch(raws: Path) -> None:
    windows = windows_of(raws)
    batches = [batch_of(OwnRawTask(windows, RECIPE, "tiny"), step) for step in (3, 3, 4)]
    assert torch.equal(batches[0].inputs[0], batches[1].inputs[0])
    assert not torch.equal(batches[0].inputs[0], batches[2].inputs[0])


def batch_of(task: OwnRawTask, step: int = 0) -> Any:
    return task.make_batch(task.draw(0, step), seed=0, step=step, device=CPU)


def test_two_processes_draw_as_one(raws: Path) -> None:
    windows = windows_of(raws)
    whole = batch_of(OwnRawTask(windows, replace(RECIPE, batch=8), "tiny"))
    parts = [batch_of(OwnRawTask(windows, RECIPE, "tiny", ProcessGroup(rank, 2))) for rank in range(2)]
    for kind in range(2):
        joined = torch.cat([part.kinds[kind].inputs[0] for part in parts])
        torch.testing.assert_close(joined, whole.kinds[kind].inputs[0])


def test_a_split_batch_has_the_same_loss(raws: Path) -> None:
    batch = batch_of(OwnRawTask(windows_of(raws), RECIPE, "tiny"))
    predicted = torch.rand(4, 3, 48, 48)
    for size in (1, 2, 3):
        parts = batch.split(size)
        assert max(len(part) for part in parts) <= size
        losses = [
            part.loss(one) * len(part)
            for part, one in zip(parts, predicted.split([len(part) for part in parts]), strict=True)
        ]
        torch.testing.assert_close(torch.stack(losses).sum() / 4, batch.loss(predicted))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_batch_has_the_size_that_was_asked_for(raws: Path, batch: int) -> None:
    assert len(batch_of(OwnRawTask(windows_of(raws), replace(RECIPE, batch=batch), "tiny"))) == batch


def test_other_files_or_weights_are_another_run(raws: Path) -> None:
    windows = windows_of(raws)
    sums = {
        OwnRawTask(chosen, RECIPE, by).checksum
        for chosen, by in ((windows, "tiny"), (windows[:1], "tiny"), (windows, "other"))
    }
    assert len(sums) == 3


def test_held_out_regions_are_no_part_of_the_windows(raws: Path) -> None:
    pool = read(raws)
    rest, regions = hold_out(pool, least=50)
    assert regions
    for region in regions:
        [own] = [photo for photo in rest.photos if photo.file == region.file]
        assert own.left + own.width <= region.left or own.top + own.height <= region.top


def test_errors_are_learned_from(raws: Path) -> None:
    """A network that begins with bilinear demosaicing learns to denoise without anything clean."""
    windows = windows_of(raws)
    recipe = replace(RECIPE, own=1.0, learning_rate=1e-2, batch=4, ema_decay=0.0)
    task = OwnRawTask(windows, recipe, "tiny")
    trainer = Trainer(task, network_name="bayer", config=TINY_RAW, seed=0, device=CPU)
    before = loss_of(trainer, task)
    for step in range(120):
        trainer.train_step(trainer.draw(step), 0.1)
    assert loss_of(trainer, task) < 0.8 * before


def loss_of(trainer: Trainer, task: OwnRawTask) -> float:
    losses = []
    for step in range(100, 108):
        batch = batch_of(task, step)
        with torch.no_grad():
            losses.append(float(batch.loss(trainer.network(*batch.inputs))))
    return sum(losses) / len(losses)
