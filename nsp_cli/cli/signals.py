"""What the system asks of a running command."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Long enough for Python to have left what dropped the interrupt.
_AGAIN_SECONDS = 0.05


@contextmanager
def kept_interrupts() -> Iterator[None]:
    """Interrupts again where Python drops it: a finaliser, or a weak reference's callback, cannot raise."""
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
    """Sends what interrupts the main thread: started in the background of a shell, it ignores SIGINT."""
    number = signal.SIGINT if callable(signal.getsignal(signal.SIGINT)) else signal.SIGTERM
    if sys.platform == "win32":
        _thread.interrupt_main(number)
    else:
        os.kill(os.getpid(), number)  # a true signal, which wakes the thread where it waits


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Lets SIGTERM end a run as Ctrl-C does, so that nothing half-written is left.

    Outside the main thread, where Python delivers no signals, nothing is changed.
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
