"""Work that is counted rather than timed, so that a busy machine fails no test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def calls_of(function: Callable[[], object]) -> int:
    """Number of calls, of Python and of C functions, that a function makes in this thread."""
    with _counted(sys.maxsize) as count:
        function()
    return count()


@contextmanager
def at_most_calls(limit: int) -> Iterator[None]:
    """Fails as soon as the block makes more calls in this thread than that."""
    with _counted(limit) as count:
        yield
    assert count() <= limit, f"more than {limit} calls"


@contextmanager
def _counted(limit: int) -> Iterator[Callable[[], int]]:
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event.endswith("call")
        if calls > limit:  # Python stops counting with this, and what catches it ends sooner or later
            raise AssertionError(f"more than {limit} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield lambda: calls
    finally:
        sys.setprofile(before)
