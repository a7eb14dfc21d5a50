"""Many photos through the three stages: files are read and written while devices work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TypeVar

from nsp_cli.batch.naming import Job
from nsp_cli.batch.outcome import Outcome, Status
from nsp_cli.batch.run_settings import Ready, RunSettings, Worked
from nsp_cli.batch.stages import read_job, work_job, write_job
from nsp_cli.batch.worker import Worker
from nsp_cli.errors import NspError, UnexpectedError
from nsp_cli.ops.progress import OnProgress

# A wait without an end could not be interrupted on Windows.
_POLL_SECONDS = 0.5

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - no error
    """Ends the work on a photo because its run was stopped."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A run over any number of photos.

    Only a few are in memory at a time: one per device, one more that waits, and one that is written.

    Attributes:
        settings: Settings of the run.
        workers: One per device.
        begin: Called with a photo's index when its work begins. Returns the function that gets its progress.
    """

    settings: RunSettings
    workers: Sequence[Worker]
    begin: Callable[[int, Job], OnProgress]
    _stop: threading.Event = field(default_factory=threading.Event)
    _free: SimpleQueue[Worker] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for worker in self.workers:
            self._free.put(worker)

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Yields the outcome of each photo as soon as it is known, in the order of the photos.

        A photo that fails does not stop the others. If you stop iterating, or interrupt, the call waits for
        the tile and the file that are being worked on. Nothing half-done is left.
        """
        flight: deque[Future[Outcome]] = deque()
        with ExitStack() as stack:
            pools = [stack.enter_context(ThreadPoolExecutor(size)) for size in (1, len(self.workers), 1)]
            stack.callback(self.stop)
            for index, job in enumerate(jobs):
                flight.append(self._start(pools, index, job))
                if len(flight) > len(self.workers) + 1:
                    yield wait_for(flight.popleft())
            while flight:
                yield wait_for(flight.popleft())

    def process(self, job: Job) -> Outcome:
        """Returns the outcome of one photo. Several threads may call it: they share the workers."""
        read = self.guarded(job, self._read, job)
        worked = self.guarded(job, self._work, 0, read)
        return self.guarded(job, self._write, worked)

    def guarded(self, job: Job, stage: Callable[..., T], *arguments: object) -> T | Outcome:
        """Returns what a stage of the work on a photo returns; any error becomes the photo's outcome."""
        try:
            return stage(*arguments)
        except Interrupted:
            return Outcome(job, Status.NOT_BEGUN)
        except NspError as error:
            return Outcome(job, Status.FAILED, error=error)
        except MemoryError as error:
            failed = NspError(
                f"Memory ran out while nsp worked on {job.source}.",
                "Close other programs, or use --max-megapixels.",
            )
            failed.__cause__ = error
            return Outcome(job, Status.FAILED, error=failed)
        except Exception as error:  # a fault of nsp or a library, which must not cost the other photos
            return Outcome(job, Status.FAILED, error=UnexpectedError(job.source, error))

    def stop(self) -> None:
        """Drops the photos that are not finished; their outcomes say "not begun"."""
        self._stop.set()

    def check_running(self) -> None:
        """Ends the work on a photo if the run was stopped.

        Raises:
            Interrupted: It was.
        """
        if self._stop.is_set():
            raise Interrupted

    def _start(self, pools: Sequence[ThreadPoolExecutor], index: int, job: Job) -> Future[Outcome]:
        """Submits a photo to all stages. Each takes photos in order, so it may wait for the one before."""
        reading, working, writing = pools
        read = reading.submit(self.guarded, job, self._read, job)
        worked = working.submit(lambda: self.guarded(job, self._work, index, read.result()))
        return writing.submit(lambda: self.guarded(job, self._write, worked.result()))

    def _read(self, job: Job) -> Ready | Outcome:
        self.check_running()
        return read_job(job, self.settings)

    def _work(self, index: int, ready: Ready | Outcome) -> Worked | Outcome:
        if isinstance(ready, Outcome):
            return ready
        worker = self._free.get()
        on_progress = self.begin(index, ready.job)

        def report(done: int, total: int) -> None:
            self.check_running()
            on_progress(done, total)

        try:
            report(0, 1)
            return work_job(ready, worker, report)
        except BaseException:
            ready.claim.release()
            raise
        finally:
            self._free.put(worker)

    def _write(self, worked: Worked | Outcome) -> Outcome:
        if isinstance(worked, Outcome):
            return worked
        try:
            return write_job(worked, self.settings)
        finally:
            worked.ready.claim.release()


def wait_for(future: Future[Outcome]) -> Outcome:
    """Waits for an outcome so that Ctrl-C can interrupt it on all systems."""
    while not wait([future], timeout=_POLL_SECONDS).done:
        pass
    return future.result()
