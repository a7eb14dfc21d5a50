"""Pictures between the lines of a terminal, in two protocols that accept PNG files as they are."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal, cast, get_args

Protocol = Literal["kitty", "iterm2"]

_CHOSEN = "NSP_TERMINAL_PICTURES"
_KITTY_CHUNK = 4096  # the protocol's limit, in Base64
_PROGRAMS: Mapping[str, Protocol] = {
    "ghostty": "kitty",
    "iterm.app": "iterm2",
    "wezterm": "iterm2",
    "mintty": "iterm2",
}
_TERMS: Mapping[str, Protocol] = {"xterm-kitty": "kitty", "xterm-ghostty": "kitty"}


def find_protocol(environment: Mapping[str, str]) -> Protocol | None:
    """Returns the protocol of the terminal that environment variables describe, or None if it is unknown.

    NSP_TERMINAL_PICTURES decides if it is set: kitty, iterm2, or anything else for no pictures.
    """
    chosen = environment.get(_CHOSEN)
    if chosen:
        return cast(Protocol, chosen) if chosen in get_args(Protocol) else None
    if _is_multiplexed(environment):
        return None
    if environment.get("KITTY_WINDOW_ID"):
        return "kitty"
    if environment.get("LC_TERMINAL") == "iTerm2":  # the only one that ssh passes on
        return "iterm2"
    program, term = environment.get("TERM_PROGRAM", "").lower(), environment.get("TERM", "")
    return _PROGRAMS.get(program) or _TERMS.get(term)


def _is_multiplexed(environment: Mapping[str, str]) -> bool:
    # A multiplexer keeps the terminal's variables but passes no pictures on.
    is_named = environment.get("TERM", "").startswith(("screen", "tmux"))
    return is_named or any(environment.get(name) for name in ("TMUX", "STY"))


def picture_sequence(png: bytes, protocol: Protocol) -> str:
    """Returns the characters that make a terminal show the content of a PNG file."""
    text = base64.b64encode(png).decode("ascii")
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;size={len(png)}:{text}\x07\n"
    chunks = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
    keys = ["a=T,f=100,q=2,"] + [""] * (len(chunks) - 1)  # show at once, PNG, no answer
    last = len(chunks) - 1
    return (
        "".join(
            f"\x1b_G{key}m={int(index < last)};{chunk}\x1b\\"
            for index, (key, chunk) in enumerate(zip(keys, chunks, strict=True))
        )
        + "\n"
    )
