"""Downloads from a hub on this machine, in a process of their own: its client reads its settings once."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hub_server import COMMIT, HubServer
from safetensors.torch import save

from nsp_cli.errors import WeightsError
from nsp_cli.weights.file import LARGEST_FILE, load_network, save_weights
from nsp_cli.weights.hub import parse_hub_file
from nsp_cli.weights.hub.client import _progress_class

ROOT = Path(__file__).parents[2]
NSP = """
import sys
from pathlib import Path
from nsp_cli.weights import manifest
manifest.weights_folder = lambda: Path(sys.argv[1])
from nsp_cli.cli import main
sys.exit(main(sys.argv[2:]))
"""
ADDRESS = "hf://someone/photos/tiny.safetensors"


@pytest.fixture
def content(tmp_path, tiny_config):
    path = tmp_path / "made.safetensors"
    save_weights(path, tiny_config.build(), network_name="dbsn", config=tiny_config, metadata={})
    return path.read_bytes()


@pytest.fixture
def hub(content):
    with HubServer() as server:
        server.files["someone/photos/tiny.safetensors"] = content
        yield server


@pytest.fixture
def nsp(tmp_path, hub, content):
    """Runs `nsp weights` against the hub and a manifest with one entry, `tiny`; cache and manifest stay."""
    (tmp_path / "manifest.toml").write_text(
        f"""
        [weights.tiny]
        file = "tiny.safetensors"
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        network = "dbsn"
        summary = ""
        licence = "CC0-1.0"
        card = "tiny.md"
        bundled = false
        """
    )

    inherited = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}

    def run(*arguments, **environment):
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_ETAG_TIMEOUT": "3",
            "HF_HUB_DOWNLOAD_TIMEOUT": "3",
            "HF_HOME": str(tmp_path / "cache"),
            "NSP_HUB_REPO": "someone/photos",
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.run(
            [sys.executable, "-c", NSP, str(tmp_path), "weights", *arguments],
            env=inherited | settings | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def path_of(done):
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def refusal(done):
    """Returns the two lines of an error; anything more would be a traceback or a stray message."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    start = done.stderr.index("Error: ")
    assert len(done.stderr[start:].splitlines()) == 2
    return done.stderr[start:]


def pull_in_the_end(nsp, model):
    """Returns where the file is; clients before 1.0 stop where it broke off, and the next call goes on."""
    done = nsp("pull", model)
    if done.returncode:
        assert "The download of" in refusal(done)
        done = nsp("pull", model)
    return path_of(done)


def cached_files(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*.safetensors") if path.is_file()]


def test_a_name_is_fetched_once(nsp, hub, content):
    first = path_of(nsp("pull", "tiny"))
    assert first.read_bytes() == content
    load_network(first)
    assert all("someone/photos/tiny.safetensors" in request for request in hub.requests)
    asked = len(hub.requests)
    assert path_of(nsp("pull", "tiny")) == first
    assert path_of(nsp("path", "tiny")) == first
    assert len(hub.requests) == asked  # its sha256 is known, so there is nothing to ask
    assert "tiny: ok" in nsp("verify", "tiny").stdout


def test_an_address_is_fetched_and_found_again_offline(nsp, hub, content):
    sha256 = hashlib.sha256(content).hexdigest()
    first = path_of(nsp("pull", ADDRESS, "--sha256", sha256))
    assert first.read_bytes() == content
    assert path_of(nsp("pull", ADDRESS, HF_HUB_OFFLINE="1")) == first
    assert path_of(nsp("pull", f"{ADDRESS}@{COMMIT}", HF_HUB_OFFLINE="1")) == first
    assert path_of(nsp("pull", ADDRESS, "--revision", COMMIT)) == first
    assert len(hub.downloads()) == 1


def test_offline_without_a_cached_file(nsp, hub):
    for model in ("tiny", ADDRESS):
        message = refusal(nsp("pull", model, HF_HUB_OFFLINE="1"))
        assert "HF_HUB_OFFLINE is set" in message
        assert "nsp weights pull" in message
    assert hub.requests == []


def test_other_content_than_published_is_refused_and_forgotten(nsp, hub, content, tmp_path):
    hub.files["someone/photos/tiny.safetensors"] = content[:-4] + bytes(4)
    message = refusal(nsp("pull", "tiny"))
    assert "sha256" in message
    assert "removed from the cache" in message
    assert cached_files(tmp_path) == []
    hub.files["someone/photos/tiny.safetensors"] = content
    assert path_of(nsp("pull", "tiny")).read_bytes() == content


def test_another_sha256_than_asked_for_is_refused_and_forgotten(nsp, tmp_path):
    assert "sha256" in refusal(nsp("pull", ADDRESS, "--sha256", "0" * 64))
    assert cached_files(tmp_path) == []


def test_what_is_no_safetensors_is_refused_and_forgotten(nsp, hub, tmp_path):
    hub.files["someone/photos/tiny.safetensors"] = b"<html>Please log in to this network</html>" * 100
    assert "not a safetensors file" in refusal(nsp("pull", ADDRESS))
    assert cached_files(tmp_path) == []


def test_a_cached_file_that_rotted_is_replaced(nsp, hub, content):
    path = path_of(nsp("pull", "tiny"))
    path.write_bytes(content[:-4] + bytes(4))
    assert "tiny: differs" in nsp("verify").stdout
    assert "differs" in refusal(nsp("path", "tiny"))
    assert path_of(nsp("pull", "tiny")).read_bytes() == content
    assert len(hub.downloads()) == 2


def test_a_download_that_breaks_off_is_taken_up_again(nsp, hub, content):
    hub.cuts = 1
    assert pull_in_the_end(nsp, "tiny").read_bytes() == content
    assert len(hub.downloads()) == 2


@pytest.mark.slow
def test_a_large_download_goes_on_where_it_broke_off(nsp, hub):
    large = save({"x": torch.zeros(6_000_000)})  # the client keeps what arrived in blocks of 10 MB
    hub.files["someone/photos/large.safetensors"] = large
    hub.cuts = 1
    hub.cut_after = 0.6
    assert pull_in_the_end(nsp, "hf://someone/photos/large.safetensors").read_bytes() == large
    first, second = hub.downloads()
    assert "bytes=" in second
    assert "bytes=" not in first


@pytest.mark.slow
def test_a_connection_that_always_breaks_is_an_error_and_the_next_try_succeeds(nsp, hub, content, tmp_path):
    hub.cuts = 1000
    assert "The download of" in refusal(nsp("pull", "tiny"))
    assert cached_files(tmp_path) == []
    hub.cuts = 0
    assert path_of(nsp("pull", "tiny")).read_bytes() == content


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("hf://someone/nothing/tiny.safetensors", "has no repository someone/nothing"),
        ("hf://someone/photos/other.safetensors", "has no file other.safetensors"),
        (f"{ADDRESS}@v9", "has no revision v9"),
    ],
)
def test_what_is_not_there(nsp, model, why):
    assert why in refusal(nsp("pull", model))


def test_a_gated_repository(nsp, hub):
    hub.gated.add("someone/photos")
    message = refusal(nsp("pull", ADDRESS))
    assert "requires you to accept its terms" in message
    assert f"{hub.endpoint}/someone/photos" in message


def test_a_hub_that_cannot_be_reached(nsp):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        message = refusal(nsp("pull", "tiny", HF_ENDPOINT=endpoint))
    assert f"{endpoint} cannot be reached" in message
    assert "HF_ENDPOINT" in message


def test_a_hub_that_answers_with_an_error(nsp, hub):
    hub.status = 503
    assert "503" in refusal(nsp("pull", "tiny"))


def waiting_connections(server: socket.socket) -> int:
    """Number of connections that nobody has accepted: each cost the time that one may take to answer."""
    server.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_hub_that_does_not_answer(nsp):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        message = refusal(nsp("pull", "tiny", HF_ENDPOINT=endpoint, HF_HUB_ETAG_TIMEOUT="1"))
        assert "cannot be reached" in message
        assert 1 <= waiting_connections(silent) <= 3


def test_a_cache_that_cannot_be_written(nsp, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert "tiny" in refusal(nsp("pull", "tiny"))


def test_content_from_another_host_is_fetched_without_the_token(nsp, hub, content):
    with HubServer() as other:
        other.files = dict(hub.files)
        hub.elsewhere = other.endpoint
        assert path_of(nsp("pull", ADDRESS, HF_TOKEN="hf_secret")).read_bytes() == content
        assert set(hub.tokens) == {"Bearer hf_secret"}
        assert set(other.tokens) == {None}


def test_content_from_another_host_must_be_what_the_hub_states(nsp, hub, content, tmp_path):
    with HubServer() as other:
        other.files = {name: content[:-4] + bytes(4) for name in hub.files}
        hub.elsewhere = other.endpoint
        assert "sha256" in refusal(nsp("pull", ADDRESS))
        assert cached_files(tmp_path) == []


def test_an_absurdly_large_file_is_not_downloaded(nsp, hub):
    hub.announced = 500 * 10**9
    assert "has 500 GB" in refusal(nsp("pull", ADDRESS))
    assert "has 500 GB" in refusal(nsp("pull", "tiny"))
    assert hub.downloads() == []


def test_a_download_that_does_not_end_is_ended():
    with _progress_class(parse_hub_file(ADDRESS), None)(total=None) as bar:
        bar.update(LARGEST_FILE)
        with pytest.raises(WeightsError, match="the limit for weights"):
            bar.update(1)


def test_progress_reports_the_bytes_done_and_to_do():
    seen = []
    bar_class = _progress_class(parse_hub_file(ADDRESS), lambda done, total: seen.append((done, total)))
    with bar_class(total=10, initial=2, desc="x") as bar:
        bar.update(3)
        bar.set_description("y")
        bar.update_transfer(3)
        bar.update(5)
    assert seen == [(5, 10), (10, 10)]
