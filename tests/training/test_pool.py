"""The pool of training photos: found, decoded once, limited in size, and found again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsp_cli.errors import InputError, OutputError, TrainingError
from nsp_cli.training.data import pool as pool_module
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import load_pool, noise_level
from tests.training_photos import noisy_pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shots = tmp_path / "shots"
    (shots / "trip" / ".hidden").mkdir(parents=True)
    Image.fromarray(noisy_pixels(130, 150)).save(shots / "a.png")
    exif = Image.Exif()
    exif[271], exif[272] = "NIKON CORPORATION", "NIKON D800"
    exif.get_ifd(0x8769)[34855] = 3200
    Image.fromarray(noisy_pixels(700, 600)).save(shots / "trip" / "b.JPG", quality=98, exif=exif)
    Image.fromarray(noisy_pixels(60, 600)).save(shots / "trip" / "narrow.png")
    Image.fromarray(noisy_pixels(130, 150)).save(shots / "trip" / ".hidden" / "c.png")
    (shots / "trip" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (shots / "notes.txt").write_text("no photo")
    return shots


@pytest.fixture
def cache(tmp_path: Path) -> PhotoCache:
    return PhotoCache(tmp_path / "run.safetensors", root=tmp_path / "cache")


def test_photos_are_found_recursively_without_hidden_ones(folder, cache):
    pool = load_pool([folder], cache, crop=120, seed=0)
    names = [*(photo.source.name for photo in pool.photos), *(path.name for path, _ in pool.skipped)]
    assert names == ["a.png", "b.JPG", "broken.jpg", "narrow.png"]


def test_photos_come_in_the_order_of_their_paths(tmp_path, cache):
    for name in ("b/2.png", "c.png", "a/1.png", "b/1/3.png"):
        (tmp_path / "shots" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy_pixels(130, 150)).save(tmp_path / "shots" / name)
    (tmp_path / "shots" / "gone.png").symlink_to("absent.png")
    pool = load_pool([tmp_path / "shots"], cache, crop=120, seed=0)
    found = [photo.source.relative_to(tmp_path / "shots").as_posix() for photo in pool.photos]
    assert found == ["a/1.png", "b/1/3.png", "b/2.png", "c.png"]
    assert pool.found == 4


def test_a_photo_found_twice_counts_once(folder, cache):
    (folder / "link.png").symlink_to(folder / "a.png")
    once = load_pool([folder], cache, crop=120, seed=0)
    again = load_pool([folder / "trip", folder, folder], cache, crop=120, seed=0)
    assert (once.found, again.found) == (4, 4)
    assert sorted(p.height for p in once.photos) == sorted(p.height for p in again.photos) == [130, 700]


def test_unusable_photos_are_reported_and_skipped(folder, cache):
    pool = load_pool([folder], cache, crop=120, seed=0)
    assert [(photo.height, photo.width) for photo in pool.photos] == [(130, 150), (700, 600)]
    assert {path.name for path, _ in pool.skipped} == {"broken.jpg", "narrow.png"}
    assert pool.found == 4


def test_pixels_and_camera_are_those_of_the_file(folder, cache):
    small, large = load_pool([folder], cache, crop=120, seed=0).photos
    assert np.array_equal(small.read(0, 0, 130, 150), np.asarray(Image.open(folder / "a.png")))
    assert np.array_equal(small.read(7, 9, 20, 30), np.asarray(Image.open(folder / "a.png"))[7:27, 9:39])
    assert (large.facts.camera, large.facts.iso) == ("NIKON D800", 3200)


def test_the_cache_stays_below_its_limit(folder, cache):
    cache.limit = 300_000
    pool = load_pool([folder], cache, crop=120, seed=0)
    assert 0 < sum(photo.file.stat().st_size for photo in pool.photos) <= 300_000


def test_only_some_photos_are_read_if_the_limit_has_no_room_for_a_crop_of_each(tmp_path, cache):
    for number in range(5):
        Image.fromarray(noisy_pixels(130, 150, seed=number)).save(tmp_path / f"{number}.png")
    cache.limit = 3 * 6 * 120**2
    pool = load_pool([tmp_path], cache, crop=120, seed=0)
    assert len(pool.photos) == 3
    assert pool.found == 5


def test_photos_are_decoded_once(folder, cache, monkeypatch):
    first = load_pool([folder], cache, crop=120, seed=0)
    monkeypatch.setattr(pool_module, "read_photo", lambda _path: pytest.fail("decoded again"))
    assert load_pool([folder], cache, crop=120, seed=0) == first


def test_a_changed_photo_is_decoded_again_and_changes_the_checksum(folder, cache):
    before = load_pool([folder], cache, crop=120, seed=0)
    Image.fromarray(noisy_pixels(131, 150)).save(folder / "a.png")
    after = load_pool([folder], cache, crop=120, seed=0)
    assert after.photos[0].height == 131
    assert after.checksum != before.checksum


def test_a_discarded_cache_leaves_nothing_and_a_later_read_says_what_to_do(folder, cache):
    photo = load_pool([folder], cache, crop=120, seed=0).photos[0]
    cache.discard()
    assert not cache.folder.exists()
    with pytest.raises(TrainingError, match="is gone from the cache") as error:
        photo.read(0, 0, 5, 5)
    assert "--resume" in error.value.hint


def test_abandoned_caches_are_removed_and_recent_ones_kept(tmp_path, cache):
    old, recent = cache.folder.parent / "old", cache.folder.parent / "recent"
    old.mkdir()
    recent.mkdir()
    long_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    PhotoCache(tmp_path / "other.safetensors", root=cache.folder.parent)
    assert not old.exists()
    assert recent.exists()


def test_the_cache_of_a_run_in_progress_is_kept(tmp_path, cache):
    long_ago = time.time() - 8 * 24 * 3600
    os.utime(cache.folder, (long_ago, long_ago))
    cache.touch()
    PhotoCache(tmp_path / "other.safetensors", root=cache.folder.parent)
    assert cache.folder.exists()
    cache.discard()
    cache.touch()


def test_machines_that_share_a_disk_have_separate_folders(tmp_path, cache):
    second = PhotoCache(tmp_path / "run.safetensors", machine=1, root=cache.folder.parent)
    assert second.folder != cache.folder


def test_runs_with_different_outputs_do_not_share_a_folder(tmp_path):
    one, other = (PhotoCache(tmp_path / name, root=tmp_path) for name in ("a", "b"))
    assert one.folder != other.folder


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written") as error:
        PhotoCache(tmp_path / "run", root=tmp_path / "file")
    assert "NSP_CACHE_DIR" in error.value.hint


def test_a_folder_without_photos_is_an_error(tmp_path, cache):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="nothing to train on"):
        load_pool([tmp_path / "empty"], cache, crop=120, seed=0)
    with pytest.raises(InputError, match="not a folder"):
        load_pool([tmp_path / "absent"], cache, crop=120, seed=0)


def test_noise_level_measures_noise_and_not_edges():
    quiet, loud = noise_level(noisy_pixels(200, 200, sigma=4)), noise_level(noisy_pixels(200, 200, sigma=20))
    assert loud == pytest.approx(5 * quiet, rel=0.1)
    bars = np.zeros((200, 200, 3), np.uint8)
    bars[:, 96:104] = 255
    assert noise_level(bars) < 0.5
