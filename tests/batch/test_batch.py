"""A run over many photos: resumed, shared, watched, told of; nothing lost."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from noisy_files import save, tree
from PIL import Image

from nsp_cli.batch import Job, Outcome, Pipeline, Restored, RunSettings, Status, Worker, arriving_jobs
from nsp_cli.files import claim
from nsp_cli.photo import read_provenance

ORDER = RunSettings("net", "0" * 64, "settings")


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.jpg", "b.png", "day2/c.tif", "day2/a.jpg")):
        save(tmp_path / "shoot" / name, number)
    return tmp_path / "shoot"


class TestFolders:
    def test_a_tree_comes_out_as_it_went_in(self, run_nsp, shoot, tmp_path, tiny_weights):
        before = tree(shoot)
        run = run_nsp("denoise", shoot, "-r", "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 0, run.err
        assert tree(tmp_path / "out").keys() == before.keys()
        assert tree(shoot) == before
        assert "4 done" in run.err

    def test_a_list_on_standard_input(self, run_nsp, shoot, tmp_path, tiny_weights, monkeypatch):
        reader, writer = os.pipe()
        os.write(writer, f"{shoot / 'a.jpg'}\0{shoot / 'b.png'}".encode())
        os.close(writer)
        with os.fdopen(reader) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            run = run_nsp("denoise", "--files-from", "-", "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 0, run.err
        assert tree(tmp_path / "out").keys() == {"a.jpg", "b.png"}

    def test_dry_run_writes_nothing_and_tells_what_would_be(self, run_nsp, shoot, tmp_path, tiny_weights):
        (shoot / "bad.jpg").write_bytes(b"bad")
        before = tree(tmp_path)
        run = run_nsp("denoise", shoot, "-r", "-o", tmp_path / "out", "-m", tiny_weights, "--dry-run")
        assert run.code == 0, run.err
        assert tree(tmp_path) == before
        assert "48×48" in run.out
        assert "4 of 5 photos" in run.err
        assert "about" in run.err

    def test_keep_times(self, run_nsp, shoot, tmp_path, tiny_weights):
        os.utime(shoot / "a.jpg", (10_000, 20_000))
        run = run_nsp(
            "denoise", shoot / "a.jpg", "-o", tmp_path / "out.jpg", "-m", tiny_weights, "--keep-times"
        )
        assert run.code == 0, run.err
        assert (tmp_path / "out.jpg").stat().st_mtime == 20_000


class TestResume:
    def test_the_second_run_does_what_is_left(self, run_nsp, shoot, tmp_path, tiny_weights):
        command = ("denoise", shoot, "-r", "-o", tmp_path / "out", "-m", tiny_weights, "--json")
        run_nsp(*command)
        (tmp_path / "out" / "b.png").unlink()
        before = tree(tmp_path / "out")
        stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.*")}
        run = run_nsp(*command)
        assert run.statuses == {"a.jpg": "skipped", "b.png": "done", "c.tif": "skipped"}
        assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
        assert tree(tmp_path / "out").items() >= before.items()

    @pytest.mark.parametrize("change", ["settings", "weights", "photo"])
    def test_what_changed_is_redone_with_overwrite_only(
        self, run_nsp, shoot, tmp_path, tiny_weights, tiny_config, change
    ):
        from nsp_cli.weights.file import save_weights

        target = tmp_path / "out.png"
        command = ["denoise", shoot / "b.png", "-o", target, "-m", tiny_weights]
        assert run_nsp(*command).code == 0
        before = target.read_bytes()
        if change == "settings":
            command += ["--strength", "0.5"]
        elif change == "weights":
            save_weights(
                tiny_weights, tiny_config.build(), network_name="dbsn", config=tiny_config, metadata={}
            )
        else:
            save(shoot / "b.png", seed=9)
        run = run_nsp(*command)
        assert run.code == 1
        assert "already exists" in run.err
        assert "--overwrite" in run.err
        assert target.read_bytes() == before
        assert run_nsp(*command, "--overwrite").code == 0
        assert target.read_bytes() != before
        # The same again is no work, with --overwrite neither: an interrupted redo goes on.
        assert "done before" in run_nsp(*command, "--overwrite").err

    def test_a_photo_passed_through_is_not_done_twice(self, run_nsp, tmp_path, tiny_weights):
        Image.new("RGB", (40, 30), "white").save(tmp_path / "flat.png")
        command = ("denoise", tmp_path / "flat.png", "-o", tmp_path / "out.png", "-m", tiny_weights, "--json")
        assert run_nsp(*command).statuses == {"flat.png": "passed_through"}
        assert run_nsp(*command).statuses == {"flat.png": "skipped"}

    def test_results_say_what_made_them(self, run_nsp, shoot, tmp_path, tiny_weights):
        run_nsp("denoise", shoot / "a.jpg", "-o", tmp_path / "out.jpg", "-m", tiny_weights, "--luma", "0.7")
        made = read_provenance(tmp_path / "out.jpg")
        assert made is not None
        assert made.weights == "tiny"
        assert '"luma": 0.7' in made.settings


class TestTelling:
    def test_json_has_the_documented_keys(self, run_nsp, shoot, tmp_path, tiny_weights):
        (shoot / "bad.jpg").write_bytes(b"bad")
        run = run_nsp("denoise", shoot, "-o", tmp_path / "out", "-m", tiny_weights, "--json")
        lines = [json.loads(line) for line in run.out.splitlines()]
        page = (Path(__file__).parents[2] / ".github/docs/batches.md").read_text(encoding="utf-8")
        for line in lines:
            assert all(f"`{key}`" in page for key in line)
        done, bad = lines[0], lines[2]
        assert (done["status"], done["width"], done["height"], done["error"]) == ("done", 48, 48, None)
        assert done["noise"]["luma"] >= 0
        assert bad["status"] == "failed"
        assert "bad.jpg" in bad["error"]["message"]
        assert run.code == 1

    def test_the_log_has_a_line_per_photo_and_grows(self, run_nsp, shoot, tmp_path, tiny_weights):
        for _ in range(2):
            run_nsp("denoise", shoot, "-o", tmp_path / "out", "-m", tiny_weights, "--log", tmp_path / "log")
        lines = (tmp_path / "log").read_text().splitlines()
        assert [line.split("\t")[1] for line in lines] == ["done", "done", "skipped", "skipped"]

    def test_the_table_names_what_failed_and_why(self, run_nsp, shoot, tmp_path, tiny_weights):
        (shoot / "bad.jpg").write_bytes(b"bad")
        run = run_nsp("denoise", shoot, "-o", tmp_path / "out", "-m", tiny_weights)
        table = run.err[run.err.index("┏") :]
        assert "bad.jpg" in table
        assert "failed" in table
        assert "2 done · 1 failed" in run.err

    def test_fail_fast_stops(self, run_nsp, shoot, tmp_path, tiny_weights):
        for number in range(8):
            (shoot / f"0{number}.jpg").write_bytes(b"bad")
        run = run_nsp("denoise", shoot, "-o", tmp_path / "out", "-m", tiny_weights, "--fail-fast")
        assert run.code == 1
        # Those that were being read meanwhile may have failed too.
        assert "7 not begun" in run.err or "8 not begun" in run.err or "9 not begun" in run.err


def pipeline(restore, order: RunSettings = ORDER, devices: int = 1) -> Pipeline:
    return Pipeline(order, [Worker(restore)] * devices, lambda _index, _job: lambda _done, _total: None)


def jobs(folder: Path, count: int) -> list[Job]:
    return [Job(save(folder / f"{n}.png", n), folder / "out" / f"{n}.png") for n in range(count)]


def wait_for(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.01)
    return condition()


class TestPipeline:
    def test_reading_and_writing_go_on_while_a_device_works(self, tmp_path):
        work = jobs(tmp_path, 3)

        def restore(pixels, _on_progress, _view):
            restored.append(pixels)
            if len(restored) == 2:  # passes only if the first is written and the third claimed meanwhile
                assert wait_for(work[0].target.exists)
                assert wait_for(lambda: len(list((tmp_path / "out").glob(".nsp-*.lock"))) == 2)
            return Restored(pixels.flip(2))

        restored: list[object] = []
        assert [outcome.status for outcome in pipeline(restore).run(work)] == [Status.DONE] * 3

    def test_few_photos_are_in_memory_whatever_the_number(self, tmp_path):
        read, restored = [], []

        def restore(pixels, _on_progress, _view):
            restored.append(1)
            read.append(len(list(tmp_path.glob("out/.nsp-*.lock"))))
            time.sleep(0.01)
            return Restored(pixels.flip(2))

        list(pipeline(restore).run(jobs(tmp_path, 12)))
        assert max(read) <= 3

    def test_every_device_is_used_and_order_is_kept(self, tmp_path):
        barrier = threading.Barrier(2, timeout=20)

        def restore(pixels, _on_progress, _view):
            barrier.wait()  # passes only if two photos are in work at once
            return Restored(pixels.flip(2))

        work = jobs(tmp_path, 4)
        outcomes = list(pipeline(restore, devices=2).run(work))
        assert [outcome.job for outcome in outcomes] == work
        assert all(outcome.status is Status.DONE for outcome in outcomes)

    def test_a_fault_of_ours_costs_one_photo(self, tmp_path):
        def restore(pixels, _on_progress, _view):
            if pixels[0, 0, 0] == wrong:
                raise KeyError("a fault")
            return Restored(pixels.flip(2))

        work = jobs(tmp_path, 3)
        wrong = np.asarray(Image.open(work[1].source))[0, 0, 0]
        outcomes = list(pipeline(restore).run(work))
        assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.FAILED, Status.DONE]
        assert "KeyError" in outcomes[1].error.message
        assert not list((tmp_path / "out").glob(".*"))

    def test_leaving_early_leaves_nothing_half_done(self, tmp_path):
        def restore(pixels, on_progress, _view):
            for step in range(1000):  # longer than anybody waits, unless it is stopped
                on_progress(step, 1000)
                time.sleep(0.1)
            return Restored(pixels.flip(2))

        run = pipeline(lambda pixels, _: Restored(pixels.flip(2))).run(jobs(tmp_path, 6))
        next(run)
        run.close()
        made = list((tmp_path / "out").iterdir())
        assert all(path.suffix == ".png" and read_provenance(path) for path in made)
        slow = pipeline(restore)
        threading.Timer(0.5, slow.stop).start()
        assert {outcome.status for outcome in slow.run(jobs(tmp_path / "slow", 2))} == {Status.NOT_BEGUN}


class TestClaims:
    def test_a_claimed_photo_is_skipped(self, tmp_path):
        (job,) = jobs(tmp_path, 1)
        job.target.parent.mkdir()
        held = claim(job.target)
        (outcome,) = pipeline(lambda pixels, _: Restored(pixels)).run([job])
        assert outcome.status is Status.SKIPPED
        assert "another nsp" in outcome.notes[0]
        assert held is not None
        held.release()


class TestWatch:
    def test_a_photo_is_taken_when_it_has_not_grown_for_a_while(self, tmp_path, monkeypatch):
        monkeypatch.setattr("nsp_cli.batch.watch.SETTLED_SECONDS", 0.3)
        path, looks = tmp_path / "a.jpg", []

        def plan() -> list[Job]:
            looks.append(time.monotonic())
            if len(looks) < 6:
                with path.open("ab") as file:
                    file.write(b"more")
            return [Job(path, tmp_path / "out.jpg")]

        arriving = arriving_jobs(plan, poll_seconds=0.05)
        assert next(arriving).source == path
        assert path.stat().st_size == 4 * 5
        assert time.monotonic() - looks[4] >= 0.3

    def test_a_photo_whose_copy_paused_comes_again_until_it_has_a_result(self, tmp_path, monkeypatch):
        monkeypatch.setattr("nsp_cli.batch.watch.SETTLED_SECONDS", 0.1)
        path, last = tmp_path / "a.jpg", tmp_path / "last.jpg"
        jobs = [Job(path, tmp_path / "out.jpg")]
        path.write_bytes(b"half")
        arriving = arriving_jobs(lambda: jobs, poll_seconds=0.02)
        assert next(arriving).source == path
        path.write_bytes(b"half and half")
        assert next(arriving).source == path
        jobs[0].target.touch()
        path.write_bytes(b"edited later")
        last.write_bytes(b"whole")
        jobs.append(Job(last, tmp_path / "last_out.jpg"))
        assert next(arriving).source == last

    def test_an_empty_file_is_not_whole_yet(self, tmp_path, monkeypatch):
        monkeypatch.setattr("nsp_cli.batch.watch.SETTLED_SECONDS", 0.0)
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "whole.jpg").write_bytes(b"x")
        names = [Job(tmp_path / name, tmp_path / "o") for name in ("empty.jpg", "whole.jpg")]
        assert next(arriving_jobs(lambda: names, poll_seconds=0.01)).source.name == "whole.jpg"


def test_outcomes_know_a_full_disk() -> None:
    from nsp_cli.errors import OutputError

    error = OutputError("no room")
    error.__cause__ = OSError(28, "No space left on device")
    assert Outcome(Job(Path("a"), Path("b")), Status.FAILED, error=error).is_end_of_disk
    assert not Outcome(Job(Path("a"), Path("b")), Status.FAILED, error=OutputError("else")).is_end_of_disk
