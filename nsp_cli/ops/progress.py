"""How work in progress is described: calls with what is done, and counts in words."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Takes how much is done and how much there is, in a unit that each function states."""


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun, such as "1 step" or "1,000 steps"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
