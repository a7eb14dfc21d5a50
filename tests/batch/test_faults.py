"""What goes wrong on a photographer's evening, made to go wrong: nothing is lost, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from noisy_files import save

from nsp_cli.photo import read_photo, read_provenance

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and permissions")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do everything")


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    for number in range(4):
        save(tmp_path / "shoot" / f"{number}.png", number)
    return tmp_path / "shoot"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_whole(folder: Path) -> None:
    """Passes if everything in a folder is a finished result."""
    for path in folder.rglob("*"):
        assert path.name[0] != ".", f"{path} was left behind"
        if path.is_file():
            assert read_provenance(path) is not None
            read_photo(path)


@pytest.fixture
def pipe(out: Path) -> Iterator[Path]:
    """A pipe where a result should go. It is held open, else whatever opens it would wait."""
    out.mkdir()
    path = out / "0.png"
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)


@posix
class TestPipes:
    def test_a_result_never_replaces_one(self, run_nsp, shoot, pipe, tiny_weights):
        run = run_nsp("denoise", shoot / "0.png", "-o", pipe, "-m", tiny_weights, "--overwrite")
        assert run.code == 1
        assert "is a pipe, socket or device, which is never replaced" in run.err
        assert pipe.is_fifo()

    def test_a_page_never_replaces_one(self, run_nsp, shoot, pipe):
        page = pipe.rename(pipe.with_suffix(".html"))
        page.write_bytes(b'<meta name="generator" content="nsp">'.ljust(1000))
        run = run_nsp("compare", shoot / "0.png", shoot / "1.png", "-o", page)
        assert run.code == 1
        assert "is not a page of nsp" in run.err
        assert page.is_fifo()


class TestDisk:
    def test_a_full_disk_stops_the_run_and_the_next_goes_on(
        self, run_nsp, shoot, out, tiny_weights, monkeypatch
    ):
        command = ("denoise", shoot, "-o", out, "-m", tiny_weights, "--json")
        real, written = os.fsync, []

        def fsync(file: int) -> None:
            written.append(file)
            if len(written) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(file)

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fsync)
            run = run_nsp(*command)
        assert run.code == 1
        # The third may have been on its way to the disk, where there is room again.
        assert list(run.statuses.values()) in (
            ["done", "failed", last, "not_begun"] for last in ("done", "not_begun")
        )
        assert "Free some space" in run.err
        assert_whole(out)
        assert run_nsp(*command).code == 0
        assert len(list(out.iterdir())) == 4

    def test_a_folder_that_vanishes_costs_what_was_on_its_way(
        self, run_nsp, shoot, out, tiny_weights, monkeypatch
    ):
        from nsp_cli.batch import stages

        real = stages.write_job

        def vanish(worked, order):
            if worked.ready.job.source.name == "1.png":
                shutil.rmtree(out)
            return real(worked, order)

        command = ("denoise", shoot, "-o", out, "-m", tiny_weights, "--json")
        with monkeypatch.context() as patch:
            patch.setattr("nsp_cli.batch.pipeline.write_job", vanish)
            run = run_nsp(*command)
        assert run.code == 1
        assert list(run.statuses.values())[:2] == ["done", "failed"]
        assert "does not exist" in run.err
        assert run_nsp(*command).code == 0
        assert_whole(out)
        assert len(list(out.iterdir())) == 4

    def test_a_read_only_folder_is_named_before_any_work(
        self, run_nsp, shoot, out, tiny_weights, monkeypatch
    ):
        def refuse(path, *_, **__):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
        monkeypatch.setattr("nsp_cli.batch.pipeline.work_job", pytest.fail)
        run = run_nsp("denoise", shoot / "0.png", "-o", out / "0.png", "-m", tiny_weights)
        assert run.code == 1
        assert "Permission denied" in run.err

    @posix
    @not_root
    def test_a_really_read_only_folder(self, run_nsp, shoot, out, tiny_weights):
        out.mkdir()
        out.chmod(0o500)
        run = run_nsp("denoise", shoot, "-o", out, "-m", tiny_weights)
        assert run.code == 1
        assert "Permission denied" in run.err

    @posix
    @not_root
    def test_a_photo_that_may_not_be_read(self, run_nsp, shoot, out, tiny_weights):
        (shoot / "1.png").chmod(0)
        run = run_nsp("denoise", shoot, "-o", out, "-m", tiny_weights, "--json")
        assert list(run.statuses.values()) == ["done", "failed", "done", "done"]

    def test_file_systems_that_cannot_lock_are_no_hindrance(
        self, run_nsp, shoot, out, tiny_weights, monkeypatch
    ):
        def refuse(*_: object, **__: object) -> None:
            raise NotImplementedError("no flock here")

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
        assert run_nsp("denoise", shoot, "-o", out, "-m", tiny_weights).code == 0


class TestPhotos:
    @pytest.mark.parametrize("what", ["deleted", "truncated", "changed"])
    def test_a_photo_that_goes_while_the_run_goes_on(
        self, run_nsp, shoot, out, tiny_weights, monkeypatch, what
    ):
        from nsp_cli.batch import stages

        real = stages.read_photo

        def read(path: Path, **settings: object):
            if path.name == "1.png" and what == "changed":
                photo = real(path, **settings)
                save(path, seed=99, side=30)
                return photo
            if path.name == "1.png":
                path.unlink() if what == "deleted" else os.truncate(path, 100)
            return real(path, **settings)

        monkeypatch.setattr(stages, "read_photo", read)
        run = run_nsp("denoise", shoot, "-o", out, "-m", tiny_weights, "--json")
        assert list(run.statuses.values()) == ["done", "failed", "done", "done"]
        assert_whole(out)

    @posix
    def test_pipes_and_devices_are_no_photos(self, run_nsp, tmp_path, out, tiny_weights):
        os.mkfifo(tmp_path / "pipe.jpg")
        (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
        for path in (tmp_path / "pipe.jpg", tmp_path / "loop.jpg", Path(os.devnull)):
            assert run_nsp("denoise", path, "-o", out, "-m", tiny_weights).code == 1, path

    def test_names_of_255_bytes(self, run_nsp, tmp_path, tiny_weights):
        name = "ü" * 125 + "a.png"
        save(tmp_path / name)
        run = run_nsp("denoise", tmp_path / name, "-m", tiny_weights)
        assert run.code == 0, run.err
        assert len(list(tmp_path.glob("*.png"))) == 2

    def test_names_that_are_no_text(self, run_nsp, tmp_path, out, tiny_weights):
        if os.name == "nt" or sys.platform == "darwin":
            pytest.skip("file names are Unicode here")
        odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff\n[x].png"))
        save(odd)
        run = run_nsp("denoise", odd, "-o", out, "-m", tiny_weights, "--log", tmp_path / "log", "--json")
        assert run.code == 0, run.err
        assert [os.fsencode(path.name) for path in out.iterdir()] == [b"odd\xff\n[x].png"]


class TestDevice:
    def test_memory_that_ends_at_the_third_tile(self, run_nsp, tmp_path, out, tiny_weights, monkeypatch):
        save(tmp_path / "photo.png", side=100)
        command = ("denoise", tmp_path / "photo.png", "-m", tiny_weights, "--plain", "--tile", "32")
        run_nsp(*command, "-o", tmp_path / "expected.png")
        from nsp_cli.restoration.inference import Restorer

        real, tiles = Restorer._average_sub_images, []

        def average(self, tile):
            tiles.append(tile)
            if len(tiles) == 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(self, tile)

        monkeypatch.setattr(Restorer, "_average_sub_images", average)
        assert run_nsp(*command, "-o", out / "photo.png").code == 0
        expected, found = (
            read_photo(path).pixels.astype(int) for path in (tmp_path / "expected.png", out / "photo.png")
        )
        assert np.abs(expected - found).max() <= 1

    def test_a_network_that_answers_nonsense_writes_nothing(
        self, run_nsp, shoot, out, tiny_weights, monkeypatch
    ):
        from nsp_cli.restoration.inference import Restorer

        for name in ("_average_sub_images", "_predict_and_reduce"):
            monkeypatch.setattr(Restorer, name, lambda _self, tile: tile * float("nan"))
        run = run_nsp("denoise", shoot / "0.png", "-o", out / "0.png", "-m", tiny_weights)
        assert run.code == 1
        assert "finite" in run.err
        assert not list(out.iterdir())

    def test_main_memory_that_ends_costs_one_photo(self, run_nsp, shoot, out, tiny_weights, monkeypatch):
        from nsp_cli.batch import stages

        real = stages.read_photo

        def read(path: Path, **settings: object):
            if path.name == "2.png":
                raise MemoryError
            return real(path, **settings)

        monkeypatch.setattr(stages, "read_photo", read)
        run = run_nsp("denoise", shoot, "-o", out, "-m", tiny_weights, "--json")
        assert list(run.statuses.values()) == ["done", "done", "failed", "done"]
        assert "Memory ran out while nsp worked on" in run.err


def test_a_clock_that_goes_back_changes_nothing(run_nsp, shoot, out, tiny_weights, monkeypatch):
    hours = iter(range(10**6, 0, -1))
    monkeypatch.setattr(time, "time", lambda: 3600.0 * next(hours))
    command = ("denoise", shoot, "-o", out, "-m", tiny_weights, "--json")
    assert list(run_nsp(*command).statuses.values()) == ["done"] * 4
    assert list(run_nsp(*command).statuses.values()) == ["skipped"] * 4


# No result on a machine that is busy with other things takes so long.
HANG_SECONDS = 300
# The tests below run nsp as a process, network and disk slowed down so that something can happen meanwhile.
SLOW = """
import os, sys, time
from nsp_cli.restoration import tile_passes
real = tile_passes._predicted
def slow(*arguments):
    time.sleep(float(sys.argv[1]))
    return real(*arguments)
tile_passes._predicted = slow
fsync = os.fsync
os.fsync = lambda file: (time.sleep(float(sys.argv[1]) / 2), fsync(file))
from nsp_cli.cli import main
sys.exit(main(sys.argv[2:]))
"""


@contextmanager
def started(seconds: float, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Runs nsp until the with block ends; nothing that a test does leaves a process behind."""
    command = [sys.executable, "-c", SLOW, str(seconds), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_cleanly(run_nsp, shoot, out, tiny_weights, number):
    command = ("denoise", shoot, "-o", out, "-m", tiny_weights)
    with started(0.3, *command) as process:
        wait_for(lambda: list(out.glob("*.png")))
        process.send_signal(number)
        _, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "same command again to continue" in err
    assert_whole(out)
    assert run_nsp(*command).code == 0
    assert len(list(out.iterdir())) == 4


STUCK = """
import sys, time
from nsp_cli.photo.formats import registry
import dataclasses
def stuck(path, max_megapixels):
    print("reading", flush=True)
    while True:  # as a decoder does that never looks up
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            pass
registry.SPECS["png"] = dataclasses.replace(registry.SPECS["png"], read=stuck)
from nsp_cli.cli import main
sys.exit(main(sys.argv[1:]))
"""


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["denoise", "inspect"])
def test_a_signal_ends_a_run_whose_decoder_does_not_return(shoot, out, tiny_weights, number, command):
    """`inspect` reads in the main thread, where Python cannot deliver a signal meanwhile."""
    options = ["-o", str(out), "-m", str(tiny_weights)] if command == "denoise" else []
    arguments = [sys.executable, "-c", STUCK, command, str(shoot), *options]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            begin = time.monotonic()
            process.send_signal(number)
            _, err = process.communicate(timeout=HANG_SECONDS)
            seconds = time.monotonic() - begin
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Interrupted" in err
    assert seconds < 2
    assert not out.exists() or not list(out.iterdir())


@posix
@pytest.mark.slow
def test_two_processes_share_a_folder(tmp_path, out, tiny_weights):
    for number in range(12):
        save(tmp_path / "shoot" / f"{number}.png", number)
    command = ("denoise", tmp_path / "shoot", "-o", out, "-m", tiny_weights, "--json")
    with started(0.1, *command) as one, started(0.1, *command) as other:
        outputs = [process.communicate(timeout=HANG_SECONDS) for process in (one, other)]
    lines = [json.loads(line) for output, _ in outputs for line in output.splitlines()]
    done = [line["source"] for line in lines if line["status"] == "done"]
    assert sorted(done) == sorted(str(path) for path in (tmp_path / "shoot").iterdir())
    assert {line["status"] for line in lines} == {"done", "skipped"}
    assert_whole(out)


@posix
@pytest.mark.slow
def test_a_killed_process_does_not_hold_the_others_up(run_nsp, shoot, out, tiny_weights):
    command = ("denoise", shoot, "-o", out, "-m", tiny_weights)
    with started(5, *command):
        wait_for(lambda: list(out.glob(".nsp-*.lock")))
    assert run_nsp(*command).code == 0
    assert_whole(out)
    assert len(list(out.iterdir())) == 4


@posix
@pytest.mark.slow
def test_kills_at_random_moments(run_nsp, tmp_path, out, tiny_weights, record_property):
    """NSP_KILLS=50 repeats it as often."""
    for number in range(6):
        save(tmp_path / "shoot" / f"{number}.tif", number, side=200)
    command = ("denoise", tmp_path / "shoot", "-m", tiny_weights, "--plain")
    assert run_nsp(*command, "-o", tmp_path / "right").code == 0
    right = tree(tmp_path / "right")
    rng, finished, half = np.random.default_rng(0), [], 0
    for _ in range(int(os.environ.get("NSP_KILLS", "3"))):
        with started(0.1, *command, "-o", out):
            wait_for(lambda: out.exists() and any(out.iterdir()))
            time.sleep(rng.uniform(0, 0.9))
        done = {name: data for name, data in tree(out).items() if name[0] != "."}
        assert done.items() <= right.items()
        finished.append(len(done))
        half += any(path.suffix == ".tif" for path in out.glob(".*"))
        assert run_nsp(*command, "-o", out).code == 0
        assert tree(out) == right
        shutil.rmtree(out)
    record_property("results there when killed", finished)
    record_property("times that a half-written file was left and removed", half)


@posix
@pytest.mark.slow
def test_watching_takes_photos_as_they_arrive_and_ends_well(tmp_path, out, tiny_weights):
    (tmp_path / "camera").mkdir()
    with started(0, "watch", tmp_path / "camera", "-o", out, "-m", tiny_weights) as process:
        for number in range(2):
            save(tmp_path / "camera" / f"{number}.png", number)
            wait_for((out / f"{number}.png").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=HANG_SECONDS) == 0
    assert_whole(out)


@posix
@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_traceback(shoot, out, tiny_weights):
    with started(0.2, "denoise", shoot, "-o", out, "-m", tiny_weights) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(HANG_SECONDS) in (0, 1)
    assert "Traceback" not in err
    assert_whole(out)
