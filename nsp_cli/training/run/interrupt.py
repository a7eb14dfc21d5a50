"""Turns Ctrl-C and SIGTERM into a request to stop after the current step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Whether the user has asked to stop."""

    is_set: bool = False


@contextmanager
def deferred_interrupts() -> Iterator[StopRequest]:
    """Records the first Ctrl-C or SIGTERM instead of raising; the second raises at once.

    Outside the main thread nothing changes, because Python delivers no signals there.
    """
    stop_request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop_request
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop_request.is_set:
            raise KeyboardInterrupt
        stop_request.is_set = True

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, on_signal) for kind in kinds]
    try:
        yield stop_request
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
