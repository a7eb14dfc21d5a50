"""Pictures for terminals that are told by their environment, in two protocols that take files as they are."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal

Protocol = Literal["kitty", "iterm2"]

_KITTY_CHUNK = 4096  # the protocol's limit, in Base64
_PROGRAMS: Mapping[str, Protocol] = {
    "ghostty": "kitty",
    "iterm.app": "iterm2",
    "wezterm": "iterm2",
    "mintty": "iterm2",
}
_TERMS: Mapping[str, Protocol] = {"xterm-kitty": "kitty", "xterm-ghostty": "kitty"}


def find_protocol(environment: Mapping[str, str]) -> Protocol | None:
    """Returns what the terminal understands, by its environment variables; None where that is not known."""
    term = environment.get("TERM", "")
    if _is_multiplexed(environment):
        return None
    if environment.get("KITTY_WINDOW_ID"):
        return "kitty"
    if environment.get("LC_TERMINAL") == "iTerm2":  # goes along through ssh
        return "iterm2"
    return _PROGRAMS.get(environment.get("TERM_PROGRAM", "").lower()) or _TERMS.get(term)


def may_be_asked(environment: Mapping[str, str]) -> bool:
    """Tells whether there is a terminal that takes a question for one, and answers for itself."""
    return environment.get("TERM", "") not in ("", "dumb", "unknown") and not _is_multiplexed(environment)


def _is_multiplexed(environment: Mapping[str, str]) -> bool:
    # A multiplexer has the terminal's variables and passes no pictures on, whatever it answers.
    is_named = environment.get("TERM", "").startswith(("screen", "tmux"))
    return is_named or any(environment.get(name) for name in ("TMUX", "STY"))


def picture_sequence(png: bytes, protocol: Protocol) -> str:
    """Returns what a terminal must be sent to show a PNG file's content."""
    text = base64.b64encode(png).decode("ascii")
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;size={len(png)}:{text}\x07\n"
    chunks = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
    keys = ["a=T,f=100,q=2,"] + [""] * (len(chunks) - 1)  # shown at once, as PNG, without an answer
    last = len(chunks) - 1
    return (
        "".join(
            f"\x1b_G{key}m={int(index < last)};{chunk}\x1b\\"
            for index, (key, chunk) in enumerate(zip(keys, chunks, strict=True))
        )
        + "\n"
    )
