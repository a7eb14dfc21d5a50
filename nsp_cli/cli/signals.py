"""Interrupts: Ctrl-C and SIGTERM while a command runs."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Long enough for Python to leave the code that dropped the interrupt.
_AGAIN_SECONDS = 0.05


@contextmanager
def kept_interrupts() -> Iterator[None]:
    """Repeats an interrupt that Python drops: finalisers and weak-reference callbacks cannot raise."""
    before, waiting = sys.unraisablehook, list[threading.Timer]()

    def interrupt_again(dropped: sys.UnraisableHookArgs) -> None:
        if dropped.exc_type is not KeyboardInterrupt:
            before(dropped)
            return
        again = threading.Timer(_AGAIN_SECONDS, _interrupt)
        again.daemon = True
        waiting.append(again)
        again.start()

    sys.unraisablehook = interrupt_again
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in waiting:
            timer.cancel()


def _interrupt() -> None:
    """Interrupts the main thread: by SIGTERM if SIGINT is ignored, as in a shell's background jobs."""
    number = signal.SIGINT if callable(signal.getsignal(signal.SIGINT)) else signal.SIGTERM
    if sys.platform == "win32":
        _thread.interrupt_main(number)
    else:
        os.kill(os.getpid(), number)  # a real signal also wakes a thread that waits


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Lets SIGTERM end a run as Ctrl-C does, so that no partial files are left.

    Changes nothing outside the main thread, because Python delivers signals only there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
