"""Photos and results on a server that speaks S3, and on OpenSSH's server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest
from noisy_files import save, tree

from nsp_cli.batch import Selection, find_photos, systems
from nsp_cli.batch.addresses import Address, fetch, listed, send
from nsp_cli.batch.systems import with_system
from nsp_cli.errors import InputError

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
START_SECONDS = 60


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
        assert again.statuses == {"a.jpg": "skipped", "b.png": "skipped", "c.tif": "skipped"}
        other = run_nsp("denoise", *there, "--json", "--strength", "0.5")
        assert set(other.statuses.values()) == {"failed"}
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
        assert run.statuses == {"a.jpg": "done", "b.png": "done", "bad.jpg": "failed"}
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
            if server.address.startswith("s3"):
                command[2] = f"{server.address}/clean"
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
