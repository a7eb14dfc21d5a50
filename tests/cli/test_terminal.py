"""Pictures in the terminal: which one gets what, and that nobody else gets anything."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest

from nsp_cli.cli import console
from nsp_cli.cli.terminal import find_protocol, picture_sequence
from nsp_cli.photo import png_bytes

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
        ({"TERM": "dumb"}, None),
        ({"NSP_TERMINAL_PICTURES": "iterm2", "TERM": "xterm-256color"}, "iterm2"),
        ({"NSP_TERMINAL_PICTURES": "kitty", "TMUX": "/tmp/tmux"}, "kitty"),
        ({"NSP_TERMINAL_PICTURES": "none", "TERM": "xterm-kitty"}, None),
        ({"NSP_TERMINAL_PICTURES": "", "TERM": "xterm-kitty"}, "kitty"),
    ],
)
def test_the_environment_names_the_protocol(environment, protocol):
    assert find_protocol(environment) == protocol


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
    for name in ("TMUX", "STY", "NSP_TERMINAL_PICTURES"):
        monkeypatch.delenv(name, raising=False)
    stream = Stream(is_terminal)
    monkeypatch.setattr(console, "out", console._Console(file=stream))
    console.show_picture(tmp_path / "a.png")
    assert ("\x1b_G" in stream.getvalue()) == is_terminal
