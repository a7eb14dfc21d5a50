"""Photos and results at addresses: in memory, on a server that speaks S3, and on OpenSSH's server."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
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
from nsp_cli.batch.systems import with_system
from nsp_cli.cluster import Request, Share
from nsp_cli.errors import InputError
from nsp_cli.evaluation import folders
from nsp_cli.evaluation.folders import find_pairs

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
START_SECONDS = 60


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
        assert statuses(run) == {"a.png": "failed", "b.png": "done"}

    def test_no_room_for_temporary_files(self, run_nsp, memory, tmp_path, tiny_weights, monkeypatch):
        send(save(tmp_path / "a.png"), memory / "a.png")

        def fail():
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(streaming, "temporary_folder", fail)
        run = run_nsp("denoise", memory, "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 1
        assert "TMPDIR" in run.err


@dataclass
class Server:
    """A server with an empty folder, and the system to look at it."""

    address: str
    system: fsspec.AbstractFileSystem
    root: str

    def tree(self, folder: str) -> dict[str, bytes]:
        self.system.invalidate_cache()
        top = f"{self.root}/{folder}"
        return {name.removeprefix(f"{top}/"): self.system.cat_file(name) for name in self.system.find(top)}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def serving(*command: object, port: int) -> Iterator[None]:
    """Runs a server, and waits until it answers."""
    with subprocess.Popen([str(part) for part in command], stdout=-3, stderr=-3) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, "the server ended"
                    assert time.monotonic() < end
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()


@pytest.fixture
def s3(monkeypatch) -> Iterator[Server]:
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    port = free_port()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"),
    ):
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    with serving(sys.executable, "-m", "moto.server", "-p", port, port=port):
        system = fsspec.filesystem("s3")
        system.mkdir("bucket")
        yield Server("s3://bucket", system, "bucket")


@pytest.fixture
def sftp(monkeypatch, tmp_path) -> Iterator[Server]:
    pytest.importorskip("paramiko")
    if SSHD is None:
        pytest.skip("no OpenSSH server")
    home, port = tmp_path / "home", free_port()
    (home / ".ssh").mkdir(parents=True)
    for key in (home / ".ssh" / "id_ed25519", home / "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": home / "host",
        "AuthorizedKeysFile": home / ".ssh" / "id_ed25519.pub",
        "StrictModes": "no",
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
    }
    (home / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    monkeypatch.setenv("HOME", str(home))
    key = (home / "host.pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}")
    with serving(SSHD, "-D", "-f", home / "config", port=port):
        place = f"sftp://127.0.0.1:{port}{tmp_path}/served"
        (tmp_path / "served").mkdir()
        system, root = fsspec.core.url_to_fs(place)  # without a look at known_hosts, as fsspec does it
        yield Server(place, system, root)


@pytest.fixture(params=["s3", "sftp"])
def server(request) -> Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
def shoot(server, tmp_path) -> Path:
    """A folder of photos here, which the server has too."""
    for number, name in enumerate(("a.jpg", "b.png", "day2/c.tif")):
        path = save(tmp_path / "shoot" / name, number)
        send(path, Address(f"{server.address}/shoot/{name}"))
    return tmp_path / "shoot"


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def statuses(run) -> dict[str, str]:
    lines = [json.loads(line) for line in run.out.splitlines()]
    return {line["source"].rpartition("/")[2]: line["status"] for line in lines}


@pytest.mark.slow
class TestServers:
    def test_results_are_the_same_and_are_not_made_twice(
        self, run_nsp, server, shoot, tmp_path, tiny_weights
    ):
        assert run_nsp("denoise", shoot, "-r", "-o", tmp_path / "plain", "-m", tiny_weights).code == 0
        there = (f"{server.address}/shoot", "-r", "-o", f"{server.address}/out", "-m", tiny_weights)
        first = run_nsp("denoise", *there, "--json")
        assert first.code == 0, first.err
        assert server.tree("out") == tree(tmp_path / "plain")
        assert server.tree("shoot") == tree(shoot)
        assert f'"source": "{server.address}/shoot/a.jpg"' in first.out
        again = run_nsp("denoise", *there, "--json")
        assert statuses(again) == {"a.jpg": "skipped", "b.png": "skipped", "c.tif": "skipped"}
        other = run_nsp("denoise", *there, "--json", "--strength", "0.5")
        assert set(statuses(other).values()) == {"failed"}
        assert f"{server.address}/out/a.jpg already exists" in other.err
        assert server.tree("out") == tree(tmp_path / "plain")

    @pytest.mark.usefixtures("shoot")
    def test_a_bad_photo_fails_and_names_its_address(self, run_nsp, server, tmp_path, tiny_weights):
        (tmp_path / "bad.jpg").write_bytes(b"bad")
        send(tmp_path / "bad.jpg", Address(f"{server.address}/shoot/bad.jpg"))
        run = run_nsp(
            "denoise", f"{server.address}/shoot", "-o", tmp_path / "out", "-m", tiny_weights, "--json"
        )
        assert run.code == 1
        assert statuses(run) == {"a.jpg": "done", "b.png": "done", "bad.jpg": "failed"}
        assert f"{server.address}/shoot/bad.jpg is not a photo" in run.err
        assert tree(tmp_path / "out").keys() == {"a.jpg", "b.png"}

    def test_from_here_to_there_and_a_dry_run(self, run_nsp, server, shoot, tiny_weights):
        command = ("denoise", shoot / "a.jpg", shoot / "b.png", "-o", f"{server.address}/out")
        dry = run_nsp(*command, "-m", tiny_weights, "--dry-run")
        assert dry.code == 0, dry.err
        assert "2 of 2 photos" in dry.err
        assert not server.tree("out")
        assert run_nsp(*command, "-m", tiny_weights).code == 0
        assert server.tree("out").keys() == {"a.jpg", "b.png"}

    @pytest.mark.parametrize("recursive", [False, True])
    def test_a_list_tells_sizes_without_a_request_per_photo(self, server, shoot, monkeypatch, recursive):
        address, asked = Address(f"{server.address}/shoot"), []
        system = with_system(address.parts, lambda system, _name: system)
        info = system.info
        monkeypatch.setattr(system, "info", lambda name, **more: asked.append(name) or info(name, **more))
        found = find_photos(Selection((address,), recursive))
        assert [name.rpartition("/")[2] for name in asked] == ["shoot"]
        assert {(photo.below / photo.path.name).as_posix(): photo.size for photo in found} == {
            name: len(content) for name, content in tree(shoot).items() if recursive or "/" not in name
        }

    def test_names_with_signs_of_addresses(self, run_nsp, server, tmp_path, tiny_weights):
        names = {"a b.png", "a#b.png", "a?b=c.png", "a%20b.png", "a::file:b.png", "ä é.png", "'\"&+.png"}
        for number, name in enumerate(sorted(names)):
            send(save(tmp_path / f"{number}.png", number), Address(f"{server.address}/shoot #1?/{name}"))
        run = run_nsp(
            "denoise", f"{server.address}/shoot #1?", "-o", f"{server.address}/out", "-m", tiny_weights
        )
        assert run.code == 0, run.err
        assert server.tree("out").keys() == names

    def test_what_is_not_there(self, run_nsp, server, tiny_weights):
        run = run_nsp("denoise", f"{server.address}/none", "-o", f"{server.address}/out", "-m", tiny_weights)
        assert run.code == 1
        assert "contains no photos" in run.err

    def test_on_a_cluster(self, run_nsp, server, shoot, tmp_path, tiny_weights):
        pytest.importorskip("ray")
        assert run_nsp("denoise", shoot, "-r", "-o", tmp_path / "plain", "-m", tiny_weights).code == 0
        there = (f"{server.address}/shoot", "-r", "-o", f"{server.address}/out", "-m", tiny_weights)
        # In a process of its own, because Ray keeps the token of the first home folder that it sees.
        command = [sys.executable, "-m", "nsp_cli", "denoise", *there, "--cluster", "auto"]
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=240)
        assert run.returncode == 0, run.stderr
        assert server.tree("out") == tree(tmp_path / "plain")

    @pytest.mark.parametrize("cluster", [False, True])
    def test_scores_are_the_same(self, run_nsp, server, shoot, tmp_path, tiny_weights, cluster):
        for number, name in enumerate(("a.png", "b.png")):
            clean = save(tmp_path / "clean" / name, 9 + number)
            send(clean, Address(f"{server.address}/clean/{name}"))
        plain = run_nsp("evaluate", shoot, tmp_path / "clean", "-m", tiny_weights, "--json")
        assert plain.code == 0, plain.err
        command = ["evaluate", f"{server.address}/shoot", tmp_path / "clean", "-m", tiny_weights, "--json"]
        if cluster:
            pytest.importorskip("ray")
            command = [sys.executable, "-m", "nsp_cli", *command, "--cluster", "auto"]
            out = subprocess.run(list(map(str, command)), stdout=-1, timeout=240, check=True).stdout
        else:
            out = run_nsp(*command).out.encode()
            command[2] = f"{server.address}/clean"
            assert json.loads(run_nsp(*command).out) == json.loads(plain.out)
        assert json.loads(out) == json.loads(plain.out)


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "other"])
def test_a_server_that_is_not_known_gets_nothing(sftp, tmp_path, content):
    known = tmp_path / "home" / ".ssh" / "known_hosts"
    if content is None:
        known.unlink()
    else:  # somebody in between has a key of their own
        own = (tmp_path / "home" / ".ssh" / "id_ed25519.pub").read_text()
        known.write_text(f"{known.read_text().split()[0]} {own}")
    type(sftp.system).clear_instance_cache()
    with pytest.raises(InputError, match="known_hosts"):
        list(listed(Address(sftp.address), recursive=True))


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


@pytest.mark.slow
class TestSendingBySftp:
    def test_an_interrupted_send_leaves_what_was_there(self, sftp, tmp_path, monkeypatch):
        (tmp_path / "a").write_bytes(b"old")
        address = Address(f"{sftp.address}/out/a.jpg")
        send(tmp_path / "a", address)
        (tmp_path / "a").write_bytes(b"new content")

        def put_half(system, path, name, **_options):
            system.pipe_file(name, Path(path).read_bytes()[:4])
            raise KeyboardInterrupt

        monkeypatch.setattr(type(sftp.system), "put_file", put_half)
        with pytest.raises(KeyboardInterrupt):
            send(tmp_path / "a", address)
        assert sftp.tree("out") == {"a.jpg": b"old"}

    def test_the_same_result_sent_twice_at_once_is_whole(self, sftp, tmp_path):
        address = Address(f"{sftp.address}/out/day/a.jpg")
        contents = [bytes([number]) * 3_000_000 for number in range(4)]
        for number, content in enumerate(contents):
            (tmp_path / f"{number}").write_bytes(content)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: send(tmp_path / f"{number}", address), range(4)))
        assert sftp.tree("out").keys() == {"day/a.jpg"}
        assert sftp.tree("out")["day/a.jpg"] in contents

    def test_the_longest_name(self, sftp, tmp_path):
        (tmp_path / "a").write_bytes(b"content")
        send(tmp_path / "a", Address(f"{sftp.address}/out/{'a' * 251}.jpg"))
        assert len(sftp.tree("out")) == 1

    def test_a_server_that_comes_back(self, sftp, tmp_path):
        (tmp_path / "a").write_bytes(b"content")
        address = Address(f"{sftp.address}/out/a.jpg")
        send(tmp_path / "a", address)
        with_system(address.parts, lambda system, _name: system.client.get_transport().close())
        assert fetch(address, tmp_path / "b")

    def test_a_silent_server_does_not_hold_a_run(self, sftp, tmp_path, monkeypatch):
        address = Address(f"{sftp.address}/a.jpg")
        assert with_system(address.parts, lambda system, _name: system.ftp.get_channel().gettimeout() < 100)
        monkeypatch.setattr(systems, "_SFTP", dict.fromkeys(systems._SFTP, 0.5))
        monkeypatch.setattr(systems, "_PAUSES", ())
        with socket.create_server(("127.0.0.1", 0)) as listening:  # it answers no login
            begin, port = time.monotonic(), listening.getsockname()[1]
            with pytest.raises(InputError):
                fetch(Address(f"sftp://127.0.0.1:{port}/a.jpg"), tmp_path / "a")
        assert time.monotonic() - begin < 10

    def test_a_password_is_not_shown(self, sftp, run_nsp, tiny_weights):
        address = sftp.address.replace("sftp://", "sftp://nobody:se-cret@")
        run = run_nsp("denoise", f"{address}/a.jpg", "-o", address, "-m", tiny_weights)
        assert run.code == 1
        assert "nobody:***@" in run.err
        assert "se-cret" not in run.err + run.out


@pytest.mark.parametrize("options", [["--keep-times"], ["--open"], ["--report", "page.html"]])
def test_what_needs_files_is_refused(run_nsp, memory, tmp_path, options):
    send(save(tmp_path / "a.png"), memory / "a.png")
    run = run_nsp("denoise", str(memory), "-o", "memory://out", *options)
    assert run.code == 2
    assert "is for files" in run.err
