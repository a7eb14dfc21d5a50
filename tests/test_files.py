"""The one atomic writer, in all places that use it, and claims between processes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nsp_cli.errors import OutputError
from nsp_cli.evaluation.datasets.mat_file import write_mat
from nsp_cli.evaluation.datasets.results import Rows, results_in
from nsp_cli.files import claim, hidden_name, remove_all_leftovers, replacing, write_text
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.photo import Photo, copy_photo, write_photo
from nsp_cli.report.comparison import write_comparison
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import PhotoPool, _write_index
from nsp_cli.training.run.checkpoint import save_checkpoint
from nsp_cli.weights.file import save_weights

TINY = DbsnConfig(base_channels=4, num_modules=1)


def write_a_photo(path: Path) -> None:
    write_photo(Photo(np.zeros((8, 8, 3), np.uint8)), path, overwrite=True)


def copy_a_photo(path: Path) -> None:
    copy_photo(Path(__file__), path, overwrite=True)


def write_weights(path: Path) -> None:
    save_weights(path, TINY.build(), network_name="dbsn", config=TINY, metadata={})


def write_checkpoint(path: Path) -> None:
    save_checkpoint(path, {"seed": 0}, {"weights": torch.zeros(9)})


def cache_in(folder: Path) -> PhotoCache:
    cache = PhotoCache(Path("run"), root=folder.parent / "cache")
    cache.folder = folder
    return cache


def write_decoded_photo(path: Path) -> None:
    assert cache_in(path.parent).store(path.stem, np.zeros((8, 8, 3), np.uint8)) == path


def write_index(path: Path) -> None:
    _write_index(cache_in(path.parent), 0, PhotoPool((), (), 0))


def write_a_page(path: Path) -> None:
    write_comparison(path, [], 0, title="a page")


def write_record(path: Path) -> None:
    with results_in(path.parent, {"weights": "others"}, overwrite=True):
        pass


def write_matrix(path: Path) -> None:
    write_mat(path, {"denoised": np.zeros(4)})


WRITERS: dict[str, Callable[[Path], None]] = {
    "photo.png": write_a_photo,
    "copy.jpg": copy_a_photo,
    "weights.safetensors": write_weights,
    "run.checkpoint": write_checkpoint,
    "0.npy": write_decoded_photo,
    "index.json": write_index,
    "page.html": write_a_page,
    "run.json": write_record,
    "results.mat": write_matrix,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", WRITERS)
class TestWriters:
    @pytest.mark.parametrize("place", ["os.fsync", "pathlib.Path.replace"])
    @pytest.mark.parametrize("before", [b"{}", None])
    def test_a_full_disk_leaves_what_was_there(self, folder, monkeypatch, name, place, before):
        path = folder / name
        if before is not None:
            path.write_bytes(before)
        with monkeypatch.context() as patch:
            patch.setattr(place, full_disk)
            with pytest.raises(OutputError) as caught:
                WRITERS[name](path)
        assert caught.value.message == f"{path} cannot be written: No space left on device."
        assert caught.value.hint
        assert isinstance(caught.value.__cause__, OSError)
        assert names(folder) == ([] if before is None else [name])
        assert before is None or path.read_bytes() == before

    def test_an_older_file_is_replaced_and_nothing_else_is_left(self, folder, name):
        path = folder / name
        path.write_bytes(b"{}")
        WRITERS[name](path)
        assert path.stat().st_size > 2
        assert names(folder) == [name]

    def test_the_temporary_file_lies_beside_it_under_a_name_of_chance(self, folder, monkeypatch, name):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", lambda _: seen.append(names(folder)))
            for _ in range(2):
                WRITERS[name](folder / name)
        hidden = hidden_name(Path(name))
        temporary = [found for found in (*seen[0], *seen[-1]) if found.startswith(f"{hidden}-")]
        assert len(set(temporary)) == 2


class TestReplacing:
    def test_text_keeps_its_line_ends_and_letters(self, folder):
        write_text(folder / "a.txt", "Ä\nb\r\n")
        assert (folder / "a.txt").read_bytes() == b"\xc3\x84\nb\r\n"

    def test_a_file_that_appears_meanwhile_stays(self, folder):
        path = folder / "a.txt"
        with pytest.raises(OutputError, match="already exists"), replacing(path, overwrite=False):
            path.write_text("somebody else's")
        assert path.read_text() == "somebody else's"
        assert names(folder) == ["a.txt"]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
    def test_other_errors_pass_and_leave_nothing(self, folder, error):
        def fail() -> None:
            with replacing(folder / "a.txt") as file:
                file.write(b"half")
                raise error

        with pytest.raises(error):
            fail()
        assert names(folder) == []

    def test_a_missing_folder_is_an_error_with_the_hint_given(self, folder):
        absent = replacing(folder / "absent" / "a.txt", hint="Make it.")
        with pytest.raises(OutputError, match="cannot be written: No such file") as caught, absent:
            pass
        assert caught.value.hint == "Make it."


class TestTables:
    def test_a_full_disk_at_the_end_leaves_the_rows(self, folder, monkeypatch):
        rows = Rows(folder / "scores.csv", ["ID", "PSNR"])
        rows.append([0, 30.5])
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full_disk)
            with pytest.raises(OutputError, match="cannot be written: No space left on device"):
                rows.finish()
        assert names(folder) == ["scores.csv.partial"]
        rows.finish()
        assert names(folder) == ["scores.csv"]
        assert list(Rows(folder / "scores.csv", ["ID", "PSNR"])) == [["0", "30.5"]]

    def test_a_run_killed_between_copying_and_removing_goes_on(self, folder):
        rows = Rows(folder / "scores.csv", ["ID"])
        (folder / "scores.csv").write_bytes((folder / "scores.csv.partial").read_bytes())
        rows = Rows(folder / "scores.csv", ["ID"])
        rows.finish()
        assert names(folder) == ["scores.csv"]


class TestLeftovers:
    def test_a_checkpoint_removes_what_a_killed_run_left_of_it(self, folder):
        left = folder / f"{hidden_name(folder / 'a')}-01234567"
        other = folder / f"{hidden_name(folder / 'b')}-01234567"
        left.touch()
        other.touch()
        write_checkpoint(folder / "a")
        assert names(folder) == sorted([other.name, "a"])

    def test_those_of_all_results_go_and_locks_stay(self, folder):
        write_text(folder / "a", "")
        held = claim(folder / "b")
        (folder / f"{hidden_name(folder / 'c')}-01234567.npy").touch()
        remove_all_leftovers(folder)
        assert names(folder) == sorted([f"{hidden_name(folder / 'b')}.lock", "a"])
        assert held is not None
        held.release()


class TestClaims:
    def test_one_process_at_a_time_has_a_result(self, folder):
        first = claim(folder / "a.jpg")
        assert first is not None
        assert claim(folder / "a.jpg") is None
        assert claim(folder / "b.jpg") is not None
        first.release()
        assert claim(folder / "a.jpg") is not None

    def test_nothing_is_left_behind(self, folder):
        held = claim(folder / "a.jpg")
        assert held is not None
        held.release()
        assert list(folder.iterdir()) == []

    def test_what_a_killed_process_left_is_removed(self, folder):
        name = hidden_name(folder / "a.jpg")
        (folder / f"{name}.lock").touch()
        (folder / f"{name}-01234567.jpg").write_bytes(b"half")
        (folder / "other.jpg").touch()
        held = claim(folder / "a.jpg")
        assert held is not None
        held.release()
        assert [path.name for path in folder.iterdir()] == ["other.jpg"]
