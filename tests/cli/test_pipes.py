"""Photos through standard input and output, with every message on standard error."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsp_cli.cli.workflows.display import RunDisplay
from nsp_cli.photo import Photo, read_photo, write_photo
from tests.streams import streamed

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_photo(Photo(PIXELS), tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(autouse=True)
def _temporary_files_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in ("TMPDIR", "TEMP"):
        monkeypatch.setenv(name, str(folder))
    yield
    assert list(folder.glob("nsp-*")) == []


def piped(content: bytes, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Runs nsp in a process with a pipe at each end."""
    command = [sys.executable, "-m", "nsp_cli", *map(str, arguments)]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def test_from_input_to_output(picture: Path, tiny_weights: Path, run_nsp, tmp_path: Path) -> None:
    run = piped(picture.read_bytes(), "denoise", "-", "-o", "-", "-m", tiny_weights)
    assert run.returncode == 0, run.stderr
    (tmp_path / "out.png").write_bytes(run.stdout)
    run_nsp("denoise", picture, "-o", tmp_path / "usual.png", "-m", tiny_weights)
    assert (read_photo(tmp_path / "out.png").pixels == read_photo(tmp_path / "usual.png").pixels).all()
    assert b"30" in run.stderr


def test_in_another_format(picture: Path, tiny_weights: Path) -> None:
    arguments = ("--quiet", "denoise", "-", "-o", "-", "--format", "tiff", "-m", tiny_weights)
    run = streamed(*arguments, content=picture.read_bytes())
    assert run.stdout[:2] in (b"II", b"MM")
    assert run.stderr == b""
    with Image.open(io.BytesIO(run.stdout)) as image:
        assert image.size == (30, 40)


def test_a_photo_that_is_passed_through_keeps_every_byte() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 60)).save(file, "JPEG", comment="words")
    run = piped(file.getvalue(), "denoise", "-", "-o", "-", "--device", "cpu")
    assert run.stdout == file.getvalue()
    assert b"passed through" in run.stderr


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff damaged"])
def test_what_is_no_photo_gives_no_output(tiny_weights: Path, content: bytes) -> None:
    run = streamed("denoise", "-", "-o", "-", "-m", tiny_weights, content=content)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"Error" in run.stderr
    assert b"Traceback" not in run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_signal_while_input_is_read_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nsp_cli", "denoise", "-", "-o", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        while not list(tmp_path.glob("temporary/nsp-*/*")):
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(signal.SIGTERM)
        assert run.wait(30) == 130


@pytest.mark.parametrize(("stream", "word"), [("stdin", "input"), ("stdout", "output")])
def test_streams_that_are_closed(
    run_nsp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: str, word: str
) -> None:
    """Python has None in place of them."""
    if stream == "stdout":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no photo")))
    monkeypatch.setattr(sys, stream, None)
    target = "-" if stream == "stdout" else tmp_path / "a.png"
    run = run_nsp("denoise", "-", "-o", target)
    assert (run.code, f"Standard {word} is closed" in run.err) == (1, True)


def test_a_list_from_a_closed_stream(run_nsp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    run = run_nsp("denoise", "--files-from", "-")
    assert (run.code, "Standard input is closed" in run.err) == (1, True)


def test_messages_name_no_temporary_file(picture: Path, tmp_path: Path, tiny_weights: Path) -> None:
    log, target = tmp_path / "log", tmp_path / "b.png"
    common = ("-m", tiny_weights, "--log", log)
    damaged, sound = b"\xff\xd8\xff damaged", picture.read_bytes()
    to_file = streamed("-v", "denoise", "-", "-o", target, "--json", *common, content=sound)
    assert json.loads(to_file.stdout)["source"] == "standard input"
    runs = [
        to_file,
        streamed("denoise", "-", "-o", "-", *common, content=damaged),
        streamed("denoise", "-", "-o", "-", "--dry-run", *common, content=sound),
        streamed("denoise", "-", "-o", "-", *common),
    ]
    written = log.read_text() + "".join((run.stdout + run.stderr).decode() for run in runs)
    assert "nsp-" not in written.replace("nsp-cli", "")
    assert "standard output" in written
    assert b"standard input cannot be read as JPEG" in runs[1].stderr
    assert b"Standard input is empty" in runs[3].stderr
    assert b"camera" not in runs[3].stderr


def test_a_page_and_the_progress_name_no_temporary_file(
    picture: Path, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, run_nsp
) -> None:
    page, named = tmp_path / "page.html", list[str]()

    def begin(_display: RunDisplay, _index: int, name: str) -> Any:
        named.append(name)
        return lambda _done, _total: None

    monkeypatch.setattr(RunDisplay, "begin", begin)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes())))
    run = run_nsp("denoise", "-", "-o", tmp_path / "b.png", "-m", tiny_weights, "--report", page)
    assert run.code == 0, run.err
    assert named == ["standard input"]
    text = page.read_text()
    assert "standard input" in text
    assert "standard-input" not in text


def test_one_end_may_be_a_file(picture: Path, tmp_path: Path, tiny_weights: Path) -> None:
    run = streamed("denoise", picture, "-o", "-", "-m", tiny_weights)
    target = tmp_path / "b.png"
    streamed("denoise", "-", "-o", target, "-m", tiny_weights, content=picture.read_bytes())
    assert target.read_bytes()[:8] == run.stdout[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["b.png", "photo.png"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("-",), "place"),
        (("-", "a.png", "-o", "-"), "only photo"),
        (("a.png", "-o", "-", "--json"), "--json"),
        (("a.png", "-o", "-", "--keep-times"), "--keep-times"),
    ],
)
def test_options_that_do_not_go_together(run_nsp, arguments: tuple[str, ...], word: str) -> None:
    run = run_nsp("denoise", *arguments)
    assert run.code == 2
    assert word in run.err


def test_several_photos_have_no_single_output(run_nsp, picture: Path, tiny_weights: Path) -> None:
    write_photo(Photo(PIXELS), picture.with_name("other.png"))
    run = run_nsp("denoise", picture.parent, "-o", "-", "-m", tiny_weights)
    assert (run.code, run.out) == (2, "")


def test_watching_has_no_single_output(run_nsp, tmp_path: Path) -> None:
    assert run_nsp("watch", tmp_path, "-o", "-").code == 2
    assert "standard output" not in run_nsp("watch", "--help").out


def test_a_terminal_is_neither(run_nsp, monkeypatch: pytest.MonkeyPatch, picture: Path) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "terminal" in run_nsp("denoise", picture, "-o", "-").err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert "terminal" in run_nsp("denoise", "-", "-o", picture.with_name("b.png")).err


def test_an_output_that_is_full_is_an_error(tmp_path: Path, picture: Path, tiny_weights: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "nsp_cli", "denoise", picture, "-o", "-", "-m", tiny_weights]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert b"Standard output cannot be written" in run.stderr
    assert b"Traceback" not in run.stderr
