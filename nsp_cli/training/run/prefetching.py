"""Draws what the next steps need in the background."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

_Draw = TypeVar("_Draw")


class Prefetcher(Generic[_Draw]):
    """Draws the next steps' crops in the background while the device works on this one's.

    Attributes:
        waited: Seconds that the device's work had to wait for a draw.
    """

    def __init__(self, draw: Callable[[int], _Draw], first: int, *, ahead: int = 4, threads: int = 2) -> None:
        """Starts drawing the steps from `first` on.

        Args:
            draw: Maps a step's number to what is drawn; called from other threads.
            first: The first step.
            ahead: Steps drawn and not yet taken.
            threads: Draws at a time.
        """
        self._draw, self._next = draw, first
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="draw")
        self._drawn: deque[Future[_Draw]] = deque()
        self.waited = 0.0
        for _ in range(ahead):
            self._submit()

    def _submit(self) -> None:
        self._drawn.append(self._threads.submit(self._draw, self._next))
        self._next += 1

    def take(self) -> _Draw:
        """Returns the next step's draw; errors of the draw are raised here."""
        begin = time.monotonic()
        drawn = self._drawn.popleft().result()
        self.waited += time.monotonic() - begin
        self._submit()
        return drawn

    def __enter__(self) -> Prefetcher[_Draw]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
