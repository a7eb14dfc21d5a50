"""Photos as they arrive in a watched folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nsp_cli.batch.naming import Job

# Seconds. Cameras and card readers write a photo in pieces; one that has not grown for this long is complete.
SETTLED_SECONDS = 2.0
_POLL_SECONDS = 1.0


def arriving_jobs(plan: Callable[[], Sequence[Job]], *, poll_seconds: float = _POLL_SECONDS) -> Iterator[Job]:
    """Yields jobs when their photos are fully written, existing ones first. Never ends.

    If the copy of a photo only paused, its job comes again after the photo has changed, unless it has a
    result. The folder is listed again and again, because network drives do not notify programs of changes.

    Args:
        plan: Lists the folder, and returns the jobs of all photos in it, complete or not.
        poll_seconds: Time between two listings.
    """
    growing: dict[Path, tuple[tuple[int, int], float]] = {}
    given: dict[Path, tuple[int, int]] = {}
    while True:
        for job in plan():
            if job.source in given and job.target.exists():
                continue
            if _is_settled(job.source, growing) and given.get(job.source) != growing[job.source][0]:
                given[job.source] = growing[job.source][0]
                yield job
        time.sleep(poll_seconds)


def _is_settled(path: Path, growing: dict[Path, tuple[tuple[int, int], float]]) -> bool:
    """Records a file's size and time, and tells whether they have been the same for a while."""
    try:
        state = path.stat()
    except OSError:
        return False
    now, stamp = time.monotonic(), (state.st_size, state.st_mtime_ns)
    before, since = growing.setdefault(path, (stamp, now))
    if before != stamp:
        growing[path] = (stamp, now)
        return False
    return state.st_size > 0 and now - since >= SETTLED_SECONDS
