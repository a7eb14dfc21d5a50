"""What a command's process does with memory that is no longer needed."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys
from contextlib import suppress

# What glibc's mallopt calls the number of heaps.
_ARENA_MAX = -8


def collect_less() -> None:
    """Saves 0.4 seconds per command: the garbage collector would search all that importing torch creates."""
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # at exit, nothing needs to be collected


def share_freed_memory() -> None:
    """Lets threads use what others freed; call it before they begin.

    The GNU C library gives threads heaps of their own, which keep what is freed. With one heap, two threads
    that work on a photo need an eighth less. Nothing is done elsewhere, or if MALLOC_ARENA_MAX is set.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
