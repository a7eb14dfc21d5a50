"""Pictures in the terminal: which one gets what, and that nobody else gets anything."""

from __future__ import annotations

import base64
import io
import re
import sys

import numpy as np
import pytest

from nsp_cli.cli import console
from nsp_cli.cli.terminal.inline import find_protocol, may_be_asked, picture_sequence
from nsp_cli.cli.terminal.sixel import sixel_sequence
from nsp_cli.photo import png_bytes, read_in_colours
from tests.pseudo_terminal import run_on_terminal

PNG = png_bytes(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM_PROGRAM": "iTerm.app", "TMUX": "/tmp/tmux"}, None),
        ({"KITTY_WINDOW_ID": "1", "TERM": "screen-256color"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({}, None),
    ],
)
def test_terminals_are_told_by_their_environment(environment, protocol):
    assert find_protocol(environment) == protocol


@pytest.mark.parametrize(
    ("environment", "may_be"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "foot"}, True),
        ({"TERM": "foot", "TMUX": "/tmp/tmux"}, False),
        ({"TERM": "xterm", "STY": "1.pts"}, False),
        ({"TERM": "tmux-256color"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_only_a_terminal_itself_is_asked(environment, may_be):
    assert may_be_asked(environment) == may_be


def test_kitty_gets_the_file_in_chunks():
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", picture_sequence(PNG, "kitty"))
    assert len(parts) > 1
    assert base64.b64decode("".join(data for _, data in parts)) == PNG
    assert all(len(data) <= 4096 for _, data in parts)
    assert parts[0][0].startswith("a=T,f=100")
    assert [keys[-3:] for keys, _ in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"]


def test_iterm2_gets_the_file():
    found = re.fullmatch(
        r"\x1b\]1337;File=inline=1;size=(\d+):(.*)\x07\n", picture_sequence(PNG, "iterm2"), re.DOTALL
    )
    assert found
    assert int(found[1]) == len(PNG)
    assert base64.b64decode(found[2]) == PNG


class Stream(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("forced", ["", "1"])
def test_a_picture_goes_to_terminals_only_also_where_colour_is_forced(
    tmp_path, monkeypatch, is_terminal, forced
):
    (tmp_path / "a.png").write_bytes(PNG)
    monkeypatch.setenv("TERM", "xterm-kitty")
    monkeypatch.setenv("FORCE_COLOR", forced)
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    stream = Stream(is_terminal)
    monkeypatch.setattr(console, "out", console._Console(file=stream))
    console.show_picture(tmp_path / "a.png")
    assert ("\x1b_G" in stream.getvalue()) == is_terminal


def decode(sequence: str) -> np.ndarray:
    """Draws a Sixel sequence as a terminal does: (H, W, 3) uint8; a pixel drawn twice is an error."""
    found = re.fullmatch(r'\x1bP7;1q"1;1;(\d+);(\d+)(.*)\x1b\\', sequence, re.DOTALL)
    assert found
    width, height = int(found[1]), int(found[2])
    palette, picture = {}, np.full((-(-height // 6) * 6, width), -1)
    top = left = colour = 0
    for token in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+[?-~]|[?-~]|[$-]", found[3]):
        if token[0] == "#":
            colour, *mixed = map(int, re.findall(r"\d+", token))
            palette.update({colour: mixed[1:]} if mixed else {})
        elif token in "$-":
            top, left = top + 6 * (token == "-"), 0
        else:
            count = int(token[1:-1] or 1) if token[0] == "!" else 1
            for row in (row for row in range(6) if ord(token[-1]) - 63 >> row & 1):
                place = picture[top + row, left : left + count]
                assert place.size == count
                assert (place == -1).all()
                place[:] = colour
            left += count
    assert (picture[:height] >= 0).all()
    assert (picture[height:] == -1).all()
    table = np.zeros((256, 3), int)
    table[list(palette)] = list(palette.values())
    return (table[picture[:height]] * 255 + 50) // 100


def picture_of(kind: str, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "noise":
        return rng.integers(0, 256, (height, width), np.uint8)
    # Runs of every length, with gaps of every length between those of one colour.
    lengths = rng.integers(1, 130, height * width)
    return (
        np.repeat(rng.integers(0, 5, lengths.size), lengths)[: height * width]
        .reshape(height, width)
        .astype(np.uint8)
    )


class TestSixel:
    @pytest.mark.parametrize("size", [(60, 80), (61, 7), (5, 1300), (1, 1)])
    @pytest.mark.parametrize("kind", ["noise", "runs"])
    def test_gives_every_pixel_its_colour(self, kind, size):
        indices = picture_of(kind, *size)
        palette = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)
        assert np.abs(decode(sixel_sequence(indices, palette)) - palette[indices]).max() <= 2

    def test_runs_are_short(self):
        assert sixel_sequence(np.zeros((6, 1200), np.uint8), np.zeros((1, 3), np.uint8)).endswith(
            "#0!1200~\x1b\\"
        )

    def test_a_file_is_read_in_few_colours_and_no_wider_than_it_may(self, tmp_path):
        (tmp_path / "a.png").write_bytes(PNG)
        indices, palette = read_in_colours(tmp_path / "a.png", 16, 40)
        assert indices.shape == (30, 40)
        assert palette.shape == (16, 3)
        assert indices.max() < 16
        assert read_in_colours(tmp_path / "a.png", 256, 200)[0].shape == (60, 80)


SHOW = """
import sys, time, termios
from pathlib import Path
from nsp_cli.cli import console
before, start = termios.tcgetattr(0), time.monotonic()
console.show_picture(Path(sys.argv[1]))
print(f"took {time.monotonic() - start:.2f}")
assert termios.tcgetattr(0) == before
"""
READ = "print('typed', repr(input()))\n"
# A shell's job behind another: a new group that is not the terminal's.
BEHIND = """
import subprocess, os, sys
subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], preexec_fn=os.setpgrp, check=True)
"""
ASK = """
import sys
from nsp_cli.cli.terminal.ask import ask_for_sixel
with open(sys.argv[1], "wb") as file:
    print(ask_for_sixel(0, file.fileno()))
"""
PIPED = """
import subprocess, sys
print(subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], stdout=subprocess.PIPE))
"""
WITH_SIXEL, WITHOUT = b"\x1b[?62;4;22c", b"\x1b[?64;14;42c"
QUESTION, LIMITS = b"\x1b[c", b"\x1b[?2;1;0S\x1b[c"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
class TestAsked:
    @pytest.fixture
    def png(self, tmp_path):
        (tmp_path / "a.png").write_bytes(PNG)
        return tmp_path / "a.png"

    @pytest.mark.parametrize(
        ("limits", "colours", "shape"),
        [
            (WITH_SIXEL, 256, (60, 80)),
            (b"\x1b[?1;0;16S\x1b[?2;0;40;1000S" + WITH_SIXEL, 16, (30, 40)),
            (b"\x1b[?1;3;0S\x1b[?2;3;0;0S" + WITH_SIXEL, 256, (60, 80)),
        ],
        ids=["says nothing", "says less", "refuses"],
    )
    def test_a_terminal_with_sixel_gets_what_it_can_show(self, png, limits, colours, shape):
        written = run_on_terminal(SHOW, png, answers={QUESTION: WITH_SIXEL, LIMITS: limits}).decode()
        shown = decode(re.search(r"\x1bP[^\x1b]*\x1b\\", written)[0])
        indices, palette = read_in_colours(png, colours, shape[1])
        assert shown.shape[:2] == shape
        assert np.abs(shown - palette[indices]).max() <= 2
        assert "62;4" not in written, "the answer was shown"

    @pytest.mark.parametrize("answer", [WITHOUT, b"\x1b[?4;6c", b""], ids=["no Sixel", "VT132", "no answer"])
    def test_others_get_nothing_and_that_soon(self, png, answer):
        written = run_on_terminal(SHOW, png, answers={QUESTION: answer})
        assert re.fullmatch(rb"\x1b\[ctook 0\.[0-4]\d\r\n", written)

    def test_what_was_typed_before_is_not_swallowed(self, png):
        written = run_on_terminal(SHOW + READ, png, answers={QUESTION: WITH_SIXEL}, typed=b"ls -l\n")
        assert QUESTION not in written
        assert b"typed 'ls -l'" in written

    def test_what_is_typed_after_the_answer_is_not_swallowed(self, png):
        written = run_on_terminal(SHOW + READ, png, answers={QUESTION: WITH_SIXEL + b"ls -l\n"})
        assert b"\x1bP7;1q" in written
        assert b"typed 'ls -l'" in written

    def test_a_job_in_the_background_asks_nothing(self, png):
        written = run_on_terminal(BEHIND, png, SHOW, answers={QUESTION: WITH_SIXEL})
        assert re.fullmatch(rb"took 0\.[0-4]\d\r\n", written)

    def test_a_file_in_the_screens_place_gets_no_question(self, tmp_path):
        written = run_on_terminal(ASK, tmp_path / "screen", answers={QUESTION: WITH_SIXEL})
        assert written == b"None\r\n"
        assert (tmp_path / "screen").read_bytes() == b""

    def test_a_pipe_gets_no_question(self, png):
        written = run_on_terminal(
            PIPED, png, SHOW, answers={QUESTION: WITH_SIXEL}, environment={"FORCE_COLOR": "1"}
        )
        assert b"\x1b" not in written
        assert b"x1b" not in written
        assert b"took" in written
