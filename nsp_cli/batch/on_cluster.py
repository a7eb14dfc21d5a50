"""Photos on a cluster: the three stages of a run without one, in each worker's process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from nsp_cli.batch.addresses import Address
from nsp_cli.batch.forecast import seconds_per_megapixel
from nsp_cli.batch.naming import Job
from nsp_cli.batch.outcome import Outcome, Status
from nsp_cli.batch.pipeline import Pipeline
from nsp_cli.batch.restored import Restore
from nsp_cli.batch.streaming import as_named, process_anywhere
from nsp_cli.cluster import Farm, Request, Service, Share
from nsp_cli.errors import NspError
from nsp_cli.files import make_folder, marked

# What a process needs to end after its node was lost, or its photo to be done.
_ORPHAN_SECONDS = 60.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class PhotoService:
    """A worker's work on photos."""

    pipeline: Pipeline

    def process(self, item: Job, *, is_again: bool) -> Outcome:
        """Returns the outcome of a photo, and waits if the worker that was thought dead still works on it."""
        end = time.monotonic() + (_ORPHAN_SECONDS if is_again else 0.0)
        outcome = process_anywhere(item, self.pipeline)
        while outcome.is_elsewhere and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
            outcome = process_anywhere(item, self.pipeline)
        return outcome

    def stop(self) -> None:
        """Ends the work on all photos."""
        self.pipeline.stop()


@dataclass(eq=False)
class ClusterPipeline:
    """A run over photos on the connected cluster, with the face of `Pipeline`.

    Attributes:
        request: Makes a `PhotoService` on each node.
        share: What each worker takes of its node.
        weights: Files that are sent to the nodes.
        begin: Called with a photo's index when its work begins.
        on_refusal: Called with the reason why a node cannot take part.
        on_wait: Called when there has been no worker for a while.
    """

    request: Request
    share: Share
    weights: Sequence[Path]
    begin: Callable[[int, Job], object]
    on_refusal: Callable[[NspError], object] = lambda _error: None
    on_wait: Callable[[], object] = lambda: None
    _farms: list[Farm[Job, Outcome]] = field(default_factory=list)

    def run(self, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
        """Yields the outcome of each photo as soon as it is known. The largest files are begun first.

        If you stop iterating, or interrupt, the workers end. Nothing half-done is left.

        Raises:
            OutputError: The folder of the results cannot be created or written.
            NspError: No node can take part.
        """
        order = sorted(range(len(jobs)), key=lambda index: _size(jobs[index]), reverse=True)
        with self._shared(jobs[0].target.parent) as request:
            farm = Farm[Job, Outcome](
                request,
                self.share,
                self.weights,
                lambda job, error: Outcome(job, Status.FAILED, error=_named(job, error)),
                lambda place: self.begin(order[place], jobs[order[place]]),
                self.on_refusal,
                self.on_wait,
            )
            self._farms.append(farm)
            left = set(order)
            for place, outcome in farm.run([_everywhere(jobs[index]) for index in order]):
                left.remove(order[place])
                yield as_named(outcome, jobs[order[place]])
        for index in sorted(left):
            yield Outcome(jobs[index], Status.NOT_BEGUN)

    @contextmanager
    def _shared(self, folder: Path) -> Iterator[Request]:
        """Adds to the request what a node must see in the folder of the results."""
        if isinstance(folder, Address):
            yield self.request
            return
        make_folder(folder, "Choose another with -o.")
        with marked(folder.absolute()) as marker:
            yield replace(self.request, marker=marker)

    def stop(self) -> None:
        """Drops the photos that are not finished; their outcomes say "not begun"."""
        for farm in self._farms:
            farm.stop()


@dataclass(frozen=True)
class SpeedService:
    """A worker's measurement of itself."""

    restore: Restore

    def process(self, item: None, *, is_again: bool) -> float:  # noqa: ARG002 - as `Service` has it
        """Returns the seconds that a megapixel takes."""
        return seconds_per_megapixel(self.restore)

    def stop(self) -> None:
        """Does nothing: a measurement takes a moment."""


def measured_speed(request: Request, share: Share, weights: Sequence[Path]) -> float:
    """Returns the seconds that a megapixel takes the connected cluster, measured by one worker.

    Raises:
        NspError: No node can take part.
    """

    def fail(_item: None, error: NspError) -> float:
        raise error

    ((_, seconds),) = Farm[None, float](request, share, weights, fail).run([None])
    return seconds / max(1, share.slots())


def request_for(
    make: Callable[[Sequence[Path]], Service], checksums: Sequence[str], jobs: Sequence[Job]
) -> Request:
    """Returns the request for a run over photos. A node must see a photo that this machine sees."""
    seen = next((_everywhere(job).source for job in jobs if job.source.exists()), None)
    return Request(make, checksums, [] if seen is None else [seen])


def _everywhere(job: Job) -> Job:
    """The same job with paths that do not depend on a process's folder."""
    return Job(job.source.absolute(), job.target.absolute())


def _named(job: Job, error: NspError) -> NspError:
    return NspError(f"{job.source}: {error.message}", error.hint)


def _size(job: Job) -> int:
    try:
        return job.size or job.source.stat().st_size
    except OSError:
        return 0
