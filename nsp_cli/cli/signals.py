"""Interrupts: Ctrl-C and SIGTERM while a command runs.

Python runs a handler only between two steps of the main thread. A decoder that never returns would keep it
from running, so a thread of its own watches for signals as well.
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nsp_cli.files import remove_unfinished

# Long enough for Python to leave the code that dropped the interrupt.
_AGAIN_SECONDS = 0.05
# What a run gets to end by itself. With the time that a process needs to start to end, two seconds in all.
GRACE_SECONDS = 1.4
# The same for a run on a cluster, whose workers must hear of it: five seconds in all.
CLUSTER_GRACE_SECONDS = 4.4
INTERRUPTED = 130


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
def ended_by_signals(grace: float = GRACE_SECONDS) -> Iterator[None]:
    """Lets SIGTERM end a run as Ctrl-C does, so that no partial files are left, and both within two seconds.

    What has not ended by then, such as a decoder at work on a damaged file, ends with the process. Changes
    nothing outside the main thread, because Python delivers signals only there.

    Args:
        grace: Seconds that the run gets to end by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _watched(grace):
        before = signal.signal(signal.SIGTERM, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _watched(grace: float) -> Iterator[None]:
    """Ends the process a while after an interrupt if the block has not ended by then."""
    near, far = socket.socketpair()
    far.setblocking(False)  # as Python asks of what signals are written to
    before, is_over = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False), threading.Event()
    threading.Thread(target=_watch, args=(near, is_over, grace), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        signal.set_wakeup_fd(before)
        far.close()


def _watch(near: socket.socket, is_over: threading.Event, grace: float) -> None:
    with near:
        while number := near.recv(1):  # nothing comes when the block has ended
            if number[0] in (signal.SIGINT, signal.SIGTERM):
                break
        if number and not is_over.wait(grace):
            _end()


def _end() -> None:
    remove_unfinished()
    if sys.stderr is not None:  # as where it is closed
        cursor = b"\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else b""  # the progress bar hides it
        os.write(sys.stderr.fileno(), cursor + b"Interrupted. Run the same command again to continue.\n")
    os._exit(INTERRUPTED)
