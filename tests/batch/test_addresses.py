"""Photos and results at addresses, in fsspec's memory."""

from __future__ import annotations

import json
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from noisy_files import save

from nsp_cli.batch import (
    Job,
    Outcome,
    RunSettings,
    Selection,
    find_photos,
    foresee,
    on_cluster,
    plan_jobs,
    streaming,
    systems,
)
from nsp_cli.batch.addresses import Address, fetch, listed, located, send
from nsp_cli.batch.on_cluster import ClusterPipeline
from nsp_cli.cluster import Request, Share
from nsp_cli.errors import InputError
from nsp_cli.evaluation import folders
from nsp_cli.evaluation.folders import find_pairs


class TestAddress:
    def test_it_has_the_parts_of_a_path_and_the_text_of_an_address(self):
        address = located(Path("s3://bucket/day 1/a.jpg"))
        assert isinstance(address, Address)
        assert str(address) == os.fspath(address) == "s3://bucket/day 1/a.jpg"
        assert (address.name, address.stem, address.suffix) == ("a.jpg", "a", ".jpg")
        assert str(address.parent / "b.jpg") == "s3://bucket/day 1/b.jpg"
        assert str(address.with_name("c.jpg").absolute()) == "s3://bucket/day 1/c.jpg"

    def test_it_survives_the_way_to_another_process(self):
        address = Address("sftp://me@host:2222/photos")
        assert pickle.loads(pickle.dumps(address)) == address
        assert str(pickle.loads(pickle.dumps(address))) == "sftp://me@host:2222/photos"

    def test_a_password_is_kept_and_not_shown(self):
        address = located(Path("sftp://me:se@cr:et@host/photos/a.jpg"))
        assert isinstance(address, Address)
        for one in (address, address.parent, address / "b", pickle.loads(pickle.dumps(address))):
            assert one.parts[1] == "me:se@cr:et@host"
            assert "cr:et" not in f"{one} {one!r} {os.fspath(one)} {one.as_posix()}"
        assert str(address) == "sftp://me:***@host/photos/a.jpg"
        assert address.without_password("no login with se@cr:et") == "no login with ***"

    @pytest.mark.parametrize(
        ("one", "other", "is_same"),
        [
            ("s3://b/a.jpg", "s3://b/a.jpg", True),
            ("s3://b/a.jpg", "s3a://b/a.jpg", True),
            ("s3://b/a.jpg", "s3://b/b.jpg", False),
            ("sftp://me:x@nas:22/a.jpg", "sftp://NAS/a.jpg", True),
            ("sftp://nas:2222/a.jpg", "sftp://nas/a.jpg", False),
            ("sftp://nas/a.jpg", "a.jpg", False),
        ],
    )
    def test_two_addresses_of_one_file(self, one, other, is_same):
        address = located(Path(one))
        assert isinstance(address, Address)
        assert address.is_same_file(located(Path(other))) is is_same

    def test_an_address_of_a_file_here_is_a_path(self):
        assert located(Path("file:///day%201/a.jpg")) == Path("/day 1/a.jpg")

    @pytest.mark.parametrize("path", ["photo.jpg", "C:/photos/a.jpg", "/s3:/a.jpg", "s3:", "A Day: 1/a.jpg"])
    def test_paths_stay_paths(self, path):
        assert not isinstance(located(Path(path)), Address)


@pytest.fixture
def memory() -> Iterator[Address]:
    """A folder in fsspec's memory."""
    system = fsspec.filesystem("memory")
    yield Address("memory://shoot")
    system.store.clear()


class TestFiles:
    def test_a_file_goes_there_and_back(self, memory, tmp_path):
        (tmp_path / "a").write_bytes(b"content")
        send(tmp_path / "a", memory / "x" / "a.jpg")
        assert fetch(memory / "x" / "a.jpg", tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"content"
        assert not fetch(memory / "none.jpg", tmp_path / "c")

    def test_a_list_has_an_order_and_nothing_hidden(self, memory, tmp_path):
        (tmp_path / "a").write_bytes(b"content")
        for name in ("b.jpg", "a.jpg", "day2/c.jpg", ".hidden.jpg", ".trash/d.jpg"):
            send(tmp_path / "a", memory / name)
        found = [(str(address), str(below), size) for address, below, size in listed(memory, recursive=True)]
        assert found == [
            ("memory://shoot/a.jpg", ".", 7),
            ("memory://shoot/b.jpg", ".", 7),
            ("memory://shoot/day2/c.jpg", "day2", 7),
        ]
        assert len(list(listed(memory, recursive=False))) == 2

    def test_the_address_of_a_file_yields_that_file(self, memory, tmp_path):
        send(save(tmp_path / "a.png"), memory / "a.png")
        assert [address for address, _, _ in listed(memory / "a.png", recursive=False)] == [memory / "a.png"]

    def test_a_cluster_begins_the_largest_first(self, memory, tmp_path, monkeypatch):
        begun: list[str] = []

        class Recording:
            def __init__(self, *_settings: object) -> None:
                pass

            def __class_getitem__(cls, _types: object) -> type[Recording]:
                return cls

            def run(self, jobs: list[Job]) -> Iterator[tuple[int, Outcome]]:
                begun.extend(job.source.name for job in jobs)
                yield from ()

        monkeypatch.setattr(on_cluster, "Farm", Recording)
        for number, side in enumerate((40, 120, 80)):
            send(save(tmp_path / "a.png", side=side), memory / f"{number}.png")
        jobs = plan_jobs(find_photos(Selection((memory,))), output=Address("memory://out"), ending="")
        pipeline = ClusterPipeline(Request(pytest.fail), Share(1), [], pytest.fail)
        assert [outcome.job for outcome in pipeline.run(jobs)] == jobs
        assert begun == ["1.png", "2.png", "0.png"]

    @pytest.mark.parametrize("address", ["nothing-known://a/b", "memory2://a/b"])
    def test_an_unknown_protocol_is_an_error_for_users(self, address):
        with pytest.raises(InputError, match="cannot be listed"):
            list(listed(Address(address), recursive=True))

    def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(self, memory, tmp_path, monkeypatch):
        (tmp_path / "a").write_bytes(b"content")
        send(tmp_path / "a", memory / "day2" / "c.jpg")
        system = fsspec.filesystem("memory")
        plain = system.ls

        def fail(path, **options):
            if path.endswith("day2"):
                raise PermissionError(13, "Permission denied")
            return plain(path, **options)

        monkeypatch.setattr(system, "ls", fail)
        with pytest.raises(InputError, match="Permission denied"):
            list(listed(memory, recursive=True))

    def test_a_file_that_cannot_be_asked_for_is_not_taken_for_absent(self, memory, tmp_path, monkeypatch):
        def fail(_path, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(fsspec.filesystem("memory"), "info", fail)
        with pytest.raises(InputError, match="Permission denied"):
            fetch(memory / "a.jpg", tmp_path / "a")

    def test_a_piece_of_a_file_is_not_taken_for_the_file(self, memory, tmp_path, monkeypatch):
        (tmp_path / "a").write_bytes(b"content")
        send(tmp_path / "a", memory / "a.jpg")

        def get_piece(_system, _name, path):
            Path(path).write_bytes(b"cont")

        monkeypatch.setattr(systems, "_PAUSES", (0.0,))
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "get_file", get_piece)
        with pytest.raises(InputError, match="did not arrive whole"):
            fetch(memory / "a.jpg", tmp_path / "b")

    def test_a_full_disk_here_names_the_folder(self, memory, tmp_path, monkeypatch):
        def fail(_name, _path):
            raise OSError(28, "No space left on device")

        (tmp_path / "a").write_bytes(b"content")
        send(tmp_path / "a", memory / "a.jpg")
        monkeypatch.setattr(fsspec.filesystem("memory"), "get_file", fail)
        with pytest.raises(InputError) as failed:
            fetch(memory / "a.jpg", tmp_path / "b")
        assert "TMPDIR" in failed.value.hint

    def test_a_broken_connection_is_made_again(self, memory, tmp_path, monkeypatch):
        errors = [EOFError(), OSError("Socket is closed")]

        def fail(*_arguments, **_options):
            if errors:
                raise errors.pop()
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(systems, "_PAUSES", (0.0, 0.0))
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", fail)
        with pytest.raises(InputError, match="Permission denied"):
            fetch(memory / "a.jpg", tmp_path / "a")

    def test_a_server_that_is_gone_is_waited_for_once(self, memory, tmp_path, monkeypatch):
        def fail(*_arguments, **_options):
            tries.append(1)
            raise EOFError

        monkeypatch.setattr(systems, "_PAUSES", (0.0, 0.0))
        tries: list[int] = []
        with monkeypatch.context() as patch:
            patch.setattr(type(fsspec.filesystem("memory")), "info", fail)
            for expected in (3, 4, 5):
                with pytest.raises(InputError):
                    fetch(memory / "a.jpg", tmp_path / "a")
                assert len(tries) == expected
        assert not fetch(memory / "a.jpg", tmp_path / "a")  # it is back
        assert not systems._gone


class TestRuns:
    """Runs on addresses in memory."""

    def test_a_photo_is_never_replaced(self, run_nsp, memory, tmp_path, tiny_weights):
        photo = save(tmp_path / "a.png")
        send(photo, memory / "a.png")
        command = ("denoise", memory / "a.png", "-o", memory / "a.png", "-m", tiny_weights, "--overwrite")
        for more in ([], ["--dry-run"]):
            run = run_nsp(*command, *more)
            assert "is the input itself" in run.err + run.out
        assert fsspec.filesystem("memory").cat_file("/shoot/a.png") == photo.read_bytes()

    @pytest.mark.parametrize("output", ["memory://shoot/day1", "memory://shoot/day1/out", "memory://shoot"])
    def test_results_beside_below_and_above_their_photos(
        self, run_nsp, memory, tmp_path, tiny_weights, output
    ):
        send(save(tmp_path / "a.png"), memory / "day1" / "a.png")
        command = ("denoise", f"{memory}/day1", "-o", output, "-m", tiny_weights, "--json")
        first, again = run_nsp(*command), run_nsp(*command)
        assert (first.code, first.err.count("Error")) == (0, 0), first.err
        assert [json.loads(line)["status"] for line in again.out.splitlines()] == ["skipped"]

    def test_a_folder_may_have_a_suffix(self, run_nsp, memory, tmp_path, tiny_weights):
        send(save(tmp_path / "a.png"), memory / "a.png")
        assert run_nsp("denoise", memory, "-o", "memory://out.d/29.11", "-m", tiny_weights).code == 0
        assert fsspec.filesystem("memory").exists("/out.d/29.11/a.png")

    def test_nothing_is_fetched_when_the_run_was_stopped(
        self, run_nsp, memory, tmp_path, tiny_weights, monkeypatch
    ):
        (tmp_path / "bad").write_bytes(b"bad")
        for number in range(30):
            send(tmp_path / "bad", memory / f"{number}.jpg")
        fetched, plain = [], streaming.fetch
        monkeypatch.setattr(streaming, "fetch", lambda *names: (fetched.append(names), plain(*names))[1])
        run = run_nsp("denoise", memory, "-o", tmp_path, "-m", tiny_weights, "--fail-fast", "--json")
        assert run.code == 1
        assert len(run.out.splitlines()) == 30
        assert len(fetched) < 10

    def test_a_fault_costs_one_photo(self, run_nsp, memory, tmp_path, tiny_weights, monkeypatch):
        for name in ("a.png", "b.png"):
            send(save(tmp_path / name), memory / name)
        plain = streaming.fetch

        def fetch_or_fail(address, path):
            if address.name == "a.png":
                raise KeyError("fault")
            return plain(address, path)

        monkeypatch.setattr(streaming, "fetch", fetch_or_fail)
        run = run_nsp("denoise", memory, "-o", tmp_path / "out", "-m", tiny_weights, "--json")
        assert run.statuses == {"a.png": "failed", "b.png": "done"}

    def test_no_room_for_temporary_files(self, run_nsp, memory, tmp_path, tiny_weights, monkeypatch):
        send(save(tmp_path / "a.png"), memory / "a.png")

        def fail():
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(streaming, "temporary_folder", fail)
        run = run_nsp("denoise", memory, "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 1
        assert "TMPDIR" in run.err


class TestPairs:
    def test_files_and_folders_there_and_here(self, memory, tmp_path):
        for name in ("noisy/a.jpg", "noisy/b.png", "clean/a.png", "clean/b.png"):
            send(save(tmp_path / name), memory / name)
        send(tmp_path / "noisy" / "a.jpg", memory / "noisy" / "notes.txt")
        noisy, clean = memory / "noisy", memory / "clean"
        there = [(noisy / "a.jpg", clean / "a.png"), (noisy / "b.png", clean / "b.png")]
        assert find_pairs(noisy, clean) == there
        here = [(photo, tmp_path / "clean" / truth.name) for photo, truth in there]
        assert find_pairs(noisy, tmp_path / "clean") == here
        assert find_pairs(noisy / "a.jpg", clean / "b.png") == [(noisy / "a.jpg", clean / "b.png")]
        assert find_pairs(noisy / "a.jpg", clean) == there[:1]
        with pytest.raises(InputError, match="memory://shoot/none contains no photos"):
            find_pairs(memory / "none", clean)

    def test_what_fails_is_named_and_nothing_is_left(
        self, run_nsp, memory, tmp_path, tiny_weights, monkeypatch
    ):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        (tmp_path / "temporary").mkdir()
        for name, side in (
            ("noisy/a.png", 40),
            ("clean/a.png", 41),
            ("noisy/b.png", 40),
            ("clean/b.png", 40),
        ):
            send(save(tmp_path / name, side=side), memory / name)
        (tmp_path / "bad.png").write_bytes(b"bad")
        for folder in ("noisy", "clean"):
            send(tmp_path / "bad.png", memory / folder / "bad.png")
        run = run_nsp("evaluate", f"{memory}/noisy", f"{memory}/clean", "-m", tiny_weights, "--json")
        assert run.code == 1
        assert [score["name"] for score in json.loads(run.out)["images"]] == ["b.png"]
        flat = " ".join(run.err.split())
        assert "memory://shoot/noisy/a.png and memory://shoot/clean/a.png differ in size" in flat
        assert "memory://shoot/noisy/bad.png is not a photo" in flat
        assert not list((tmp_path / "temporary").iterdir())

    def test_sigterm_leaves_nothing(self, run_nsp, memory, tmp_path, tiny_weights, monkeypatch):
        send(save(tmp_path / "a.png"), memory / "a.png")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        (tmp_path / "temporary").mkdir()
        brought = []

        def be_ended(*_given: object) -> None:
            brought.extend((tmp_path / "temporary").iterdir())
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)

        monkeypatch.setattr(folders, "evaluate", be_ended)
        assert run_nsp("evaluate", f"{memory}/a.png", f"{memory}/a.png", "-m", tiny_weights).code == 130
        assert len(brought) == 2
        assert not list((tmp_path / "temporary").iterdir())


def test_a_dry_run_names_the_address_of_a_bad_photo(memory, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"bad")
    send(tmp_path / "bad.png", memory / "bad.png")
    forecast = foresee(Job(memory / "bad.png", tmp_path / "out.png"), RunSettings("net", "0" * 64, ""))
    assert forecast.reason.startswith("memory://shoot/bad.png is not a photo")


@pytest.mark.parametrize("options", [["--keep-times"], ["--open"], ["--report", "page.html"]])
def test_what_needs_files_is_refused(run_nsp, memory, tmp_path, options):
    send(save(tmp_path / "a.png"), memory / "a.png")
    run = run_nsp("denoise", str(memory), "-o", "memory://out", *options)
    assert run.code == 2
    assert "is for files" in run.err
