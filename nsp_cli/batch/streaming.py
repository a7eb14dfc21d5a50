"""Jobs whose photo or result is at an address: the same work, on temporary files."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nsp_cli.batch.addresses import Address, fetch, send
from nsp_cli.batch.naming import Job
from nsp_cli.batch.outcome import Outcome, Status
from nsp_cli.batch.pipeline import Pipeline, wait_for
from nsp_cli.errors import InputError, NspError, OutputError
from nsp_cli.files import cannot_write, temporary_folder


def is_remote(job: Job) -> bool:
    """Tells whether a job's photo or result is at an address."""
    return isinstance(job.source, Address) or isinstance(job.target, Address)


@contextmanager
def brought(path: Path, *, must_exist: bool = True) -> Iterator[Path]:
    """Brings a file to this machine while the block runs, if it is at an address.

    Errors that leave the block name the address.

    Yields:
        The file, or the place where it would be.

    Raises:
        InputError: The file is not there, or cannot be read.
        OutputError: This machine has no room for temporary files.
    """
    if not isinstance(path, Address):
        yield path
        return
    with _room() as folder:
        here = folder / path.name
        if not fetch(path, here) and must_exist:
            raise InputError(f"{path} does not exist.", "Check the address.")
        try:
            yield here
        except NspError as error:
            _rename(error, here, path)
            raise


@contextmanager
def brought_job(job: Job) -> Iterator[Job]:
    """Brings a job's photo, and its result if there is one, to this machine while the block runs.

    Yields:
        The same job on files of this machine.

    Raises:
        InputError: The photo is not there or cannot be read.
        OutputError: The result would replace its photo, or this machine has no room for temporary files.
    """
    if isinstance(job.source, Address) and job.source.is_same_file(job.target):
        raise OutputError(
            f"{job.target} is the input itself, which nsp never overwrites.", "Choose another name."
        )
    with brought(job.source) as source, brought(job.target, must_exist=False) as target:
        yield Job(source, target)


@contextmanager
def _room() -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder())
        except OSError as error:
            place = Path(tempfile.gettempdir())
            raise cannot_write(place, error, "Let TMPDIR name another folder.") from error
        yield folder


def process_anywhere(job: Job, pipeline: Pipeline) -> Outcome:
    """Returns the outcome of a photo, wherever it and its result are. Results appear whole or not at all.

    Args:
        job: The photo and the place of its result.
        pipeline: Does the work on files of this machine.
    """
    if not is_remote(job):
        return pipeline.process(job)
    return pipeline.guarded(job, _process_there, job, pipeline)


def _process_there(job: Job, pipeline: Pipeline) -> Outcome:
    pipeline.check_running()
    with brought_job(job) as here:
        outcome = as_named(pipeline.process(here), job)
        if isinstance(job.target, Address) and outcome.status in (Status.DONE, Status.PASSED_THROUGH):
            send(here.target, job.target)
    return outcome


def as_named(outcome: Outcome, job: Job) -> Outcome:
    """The same outcome under the names that the user gave, also in its error."""
    if outcome.error is not None:
        _rename(outcome.error, outcome.job.source, job.source)
        _rename(outcome.error, outcome.job.target, job.target)
    return replace(outcome, job=job)


def _rename(error: NspError, path: Path, name: Path) -> None:
    error.message = error.message.replace(str(path), str(name))


@dataclass(frozen=True, eq=False)
class StreamingPipeline:
    """A run over photos at addresses, with the face of `Pipeline`.

    Some photos are on their way while one is worked on.
    """

    pipeline: Pipeline

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Yields the outcome of each photo as soon as it is known, in the order of the photos."""
        flight: deque[Future[Outcome]] = deque()
        most = len(self.pipeline.workers) + 2
        with ThreadPoolExecutor(most) as pool:
            try:
                for job in jobs:
                    flight.append(pool.submit(process_anywhere, job, self.pipeline))
                    if len(flight) >= most:
                        yield wait_for(flight.popleft())
                while flight:
                    yield wait_for(flight.popleft())
            finally:
                self.stop()

    def stop(self) -> None:
        """Drops the photos that are not finished; their outcomes say "not begun"."""
        self.pipeline.stop()
