"""Names of files that a stream's encoding cannot hold, and of those that nsp cannot read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nsp_cli.photo import Photo, write_photo
from tests.streams import streamed

NAMES = ["1.png", "2_日本é.png", "3.png"]


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A folder of photos with those names."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        write_photo(Photo(np.zeros((8, 8, 3), np.uint8)), folder / name)
    return folder


def in_a_process(*arguments: object, encoding: str) -> subprocess.CompletedProcess[bytes]:
    """Runs nsp with streams to which Python gave the encoding."""
    command = [sys.executable, "-m", "nsp_cli", *map(str, arguments)]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("encoding", "run_nsp_in"),
    [("ascii:strict", in_a_process), *((name, streamed) for name in ("cp1252", "ascii", "utf-8", "utf-16"))],
)
def test_names_that_the_streams_cannot_hold_do_not_end_a_run(
    tmp_path: Path, named: Path, tiny_weights: Path, encoding: str, run_nsp_in
) -> None:
    out = tmp_path / "out"
    run = run_nsp_in("denoise", named, "-o", out, "-m", tiny_weights, encoding=encoding)
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    assert len(run.stdout.decode(encoding.split(":", maxsplit=1)[0]).splitlines()) == 3


def test_json_stays_json_in_a_narrow_encoding(tmp_path: Path, named: Path, tiny_weights: Path) -> None:
    arguments = ("denoise", named, "-o", tmp_path / "out", "-m", tiny_weights, "--json")
    run = streamed(*arguments, encoding="cp1252")
    sources = [json.loads(line)["source"] for line in run.stdout.decode("cp1252").splitlines()]
    assert [Path(source).name for source in sources] == NAMES


def test_names_in_errors_tables_and_logs(tmp_path: Path, named: Path, tiny_weights: Path) -> None:
    (named / "4_写.png").write_bytes(b"no photo")
    log = tmp_path / "log.txt"
    arguments = ("denoise", named, "-o", tmp_path / "out", "-m", tiny_weights, "--log", log)
    run = in_a_process(*arguments, encoding="cp1252")
    assert run.returncode == 1
    assert rb"4_\u5199.png" in run.stderr
    assert b"Traceback" not in run.stderr
    assert "4_写.png" in log.read_text(encoding="utf-8")


class TestUnsupportedPictures:
    """They are named, so that nobody takes a folder for finished that is not."""

    @pytest.mark.parametrize("count", [1, 2])
    def test_beside_photos_are_in_the_closing_table(
        self, tmp_path: Path, run_nsp, tiny_weights: Path, count: int
    ) -> None:
        for number in range(count):
            write_photo(Photo(np.zeros((8, 8, 3), np.uint8)), tmp_path / f"{number}.png")
        for name in ("a.qoi", "b.GIF", "notes.txt", ".hidden.gif"):
            (tmp_path / name).write_bytes(b"x")
        run = run_nsp("denoise", tmp_path, "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 0
        rows = [line for line in run.err.splitlines() if "not supported" in line]
        assert len(rows) == 2
        assert "a.qoi" in rows[0]
        assert "b.GIF" in rows[1]

    def test_excluded_ones_are_not_mentioned(self, tmp_path: Path, run_nsp, tiny_weights: Path) -> None:
        write_photo(Photo(np.zeros((8, 8, 3), np.uint8)), tmp_path / "0.png")
        (tmp_path / "a.gif").write_bytes(b"x")
        run = run_nsp("denoise", tmp_path, "-o", tmp_path / "out", "-m", tiny_weights, "--exclude", "*.gif")
        assert "not supported" not in run.err

    def test_alone_they_are_named_in_the_error(self, tmp_path: Path, run_nsp) -> None:
        for name in ("a.qoi", "b.gif"):
            (tmp_path / name).write_bytes(b"x")
        run = run_nsp("denoise", tmp_path)
        assert run.code == 1
        assert "only .gif, .qoi files" in run.err
