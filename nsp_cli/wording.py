"""How numbers are written in sentences."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Writes a number of things, such as "1 step" or "1,000 steps"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
