"""Draws the data of the next steps in background threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

_Draw = TypeVar("_Draw")


class Prefetcher(Generic[_Draw]):
    """Draws the data of the next steps while the device computes the current one.

    Attributes:
        waited: Seconds for which `take` had to wait for data.
    """

    def __init__(self, draw: Callable[[int], _Draw], first: int, *, ahead: int = 4, threads: int = 2) -> None:
        """Starts drawing at step `first`.

        Args:
            draw: Maps the number of a step to its data; called from other threads.
            first: Number of the first step.
            ahead: Number of steps to draw in advance.
            threads: Number of threads that draw.
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
        """Data of the next step; errors in `draw` are raised here."""
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
