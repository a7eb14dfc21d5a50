"""Pictures between the lines of a terminal, in the way it knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nsp_cli.cli.terminal.ask import ask_for_sixel
from nsp_cli.cli.terminal.inline import find_protocol, may_be_asked, picture_sequence

__all__ = ["terminal_picture"]


def terminal_picture(png: Path, environment: Mapping[str, str], *, keyboard: int, screen: int) -> str:
    """Returns what to send to show a picture; nothing if the terminal is not known to show any.

    Args:
        png: 8-bit RGB.
        environment: Variables that tell the terminal.
        keyboard: File descriptor that a terminal answers on, if it has to be asked.
        screen: File descriptor that it is asked on.
    """
    protocol = find_protocol(environment)
    if protocol:
        return picture_sequence(png.read_bytes(), protocol)
    sixel = ask_for_sixel(keyboard, screen) if may_be_asked(environment) else None
    if sixel is None:
        return ""
    from nsp_cli.cli.terminal.sixel import sixel_sequence
    from nsp_cli.photo import read_in_colours

    return sixel_sequence(*read_in_colours(png, sixel.colours, sixel.width)) + "\n"
