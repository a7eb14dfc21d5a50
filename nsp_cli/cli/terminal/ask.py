"""Asks a terminal for Sixel: variables do not tell it, for they outlive terminals and know no settings.

Not on Windows, where a console is asked in another way: Windows Terminal shows pictures from WSL only.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Those that answer do so in milliseconds. An answer that a slow network brings later ends up in the shell.
_PATIENCE = 0.2
_DEVICE_ATTRIBUTES = b"\x1b[c"
_SIXEL = b"4"
# XTSMGRAPHICS, for terminals with Sixel only: others may take it for scrolling. Some of them do not know it
# either and stay silent, so the question that all answer comes last.
_LIMITS = b"\x1b[?1;1;0S\x1b[?2;1;0S" + _DEVICE_ATTRIBUTES
_END = re.compile(rb"\x1b\[\?([\d;]*)c")


@dataclass(frozen=True)
class SixelScreen:
    """What a terminal says that it can show.

    Attributes:
        colours: At once, 2 to 256.
        width: Of a picture at most, in pixels; None if it did not say.
    """

    colours: int
    width: int | None


def ask_for_sixel(keyboard: int, screen: int) -> SixelScreen | None:
    """Asks a terminal; None if it has no Sixel or does not answer in a fifth of a second.

    Nothing is written where both are not the terminal that this process is in the foreground of.

    Args:
        keyboard: File descriptor that answers come from.
        screen: File descriptor that pictures go to.
    """
    try:
        if sys.platform == "win32" or not _is_at_hand(keyboard, screen):
            return None
        found = _END.search(_ask(keyboard, screen, _DEVICE_ATTRIBUTES))
        # The first number is the terminal's kind.
        if found is None or _SIXEL not in found[1].split(b";")[1:]:
            return None
        return _limits(_ask(keyboard, screen, _LIMITS))
    except OSError:  # no terminal, or its window was closed
        return None


def _is_at_hand(keyboard: int, screen: int) -> bool:
    """Tells whether both are one terminal, this process in the foreground: others are stopped for asking.

    Raises:
        OSError: They are something else than a terminal, or closed.
    """
    return os.path.sameopenfile(keyboard, screen) and os.tcgetpgrp(keyboard) == os.getpgrp()


def _limits(answer: bytes) -> SixelScreen:
    colours = re.search(rb"\x1b\[\?1;0;(\d+)S", answer)
    size = re.search(rb"\x1b\[\?2;0;(\d+);\d+S", answer)
    # xterm can be set to 16, and would mix up all above; those that do not say have 256.
    count = int(colours[1]) if colours else 256
    return SixelScreen(min(max(count, 2), 256), int(size[1]) or None if size else None)


def _ask(keyboard: int, screen: int, question: bytes) -> bytes:
    """Returns what was answered in time; asks nothing where typed text waits, which reading would swallow."""
    with _unbuffered(keyboard):
        if _is_readable(keyboard, 0):
            return b""
        os.write(screen, question)
        return _read(keyboard, time.monotonic() + _PATIENCE)


def _read(keyboard: int, until: float) -> bytes:
    answer = b""
    # Byte by byte: what is typed after the answer is the shell's.
    while not _END.search(answer) and _is_readable(keyboard, until - time.monotonic()):
        byte = os.read(keyboard, 1)
        if not byte:
            break
        answer += byte
    return answer


def _is_readable(keyboard: int, seconds: float) -> bool:
    return bool(select.select([keyboard], [], [], max(0, seconds))[0])


@contextmanager
def _unbuffered(keyboard: int) -> Iterator[None]:
    """Lets bytes through before a line ends and shows none of them meanwhile; Ctrl-C still interrupts."""
    import termios
    import tty

    before = termios.tcgetattr(keyboard)
    try:
        # At once: the default would throw away what was typed.
        tty.setcbreak(keyboard, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
