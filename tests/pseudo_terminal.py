"""A terminal for tests: runs a program on it, answers its questions, types, and keeps what was written."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping

_TELLING = ("TMUX", "STY", "KITTY_WINDOW_ID", "LC_TERMINAL", "TERM_PROGRAM", "FORCE_COLOR", "NO_COLOR")
_TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"


def run_on_terminal(
    code: str,
    *arguments: object,
    answers: Mapping[bytes, bytes],
    typed: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: float = 20,
) -> bytes:
    """Runs Python code on a new terminal until it ends.

    Args:
        code: What to run.
        arguments: In its sys.argv.
        answers: What the terminal answers when a question has been written, once each.
        typed: What is typed before the program starts.
        environment: Variables beside TERM.
        seconds: After which it is stopped, and the test fails.

    Returns:
        What the program wrote, errors too.
    """
    import pty

    keyboard, program = pty.openpty()
    os.write(keyboard, typed)
    kept = {name: value for name, value in os.environ.items() if name not in _TELLING}
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL + code, *map(str, arguments)],
        stdin=program,
        stdout=program,
        stderr=program,
        start_new_session=True,
        env={**kept, "TERM": "xterm", **(environment or {})},
    )
    os.close(program)
    try:
        written = _talk(keyboard, dict(answers), time.monotonic() + seconds)
        assert process.wait(seconds) == 0, written
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
    return written


def _talk(keyboard: int, answers: dict[bytes, bytes], until: float) -> bytes:
    written = b""
    while select.select([keyboard], [], [], max(0, until - time.monotonic()))[0]:
        try:
            part = os.read(keyboard, 65536)
        except OSError:  # how Linux says that the program has ended
            return written
        if not part:
            return written
        written += part
        for question in [question for question in answers if question in written]:
            os.write(keyboard, answers.pop(question))
    raise AssertionError(f"the program goes on and on: {written!r}")
