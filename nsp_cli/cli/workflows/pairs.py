"""Scores of noisy and clean photos, on this machine or on a cluster."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.cli.options.groups import MachineOptions
from nsp_cli.cli.signals import CLUSTER_GRACE_SECONDS, GRACE_SECONDS, ended_by_signals
from nsp_cli.cli.workflows.cluster import (
    JoinedCluster,
    joined_cluster,
    machine_that_asks,
    say_waiting,
    workers_there,
)
from nsp_cli.cli.workflows.loading import load_restorers, make_workers
from nsp_cli.cli.workflows.operations import Operation
from nsp_cli.errors import InputError, NspError

if TYPE_CHECKING:
    from torch import Tensor

    from nsp_cli.batch import Restore
    from nsp_cli.evaluation.folders import PairScore

Pair = tuple[Path, Path]


@dataclass(frozen=True, eq=False)
class ScoringService:
    """The scoring of a cluster's worker. Photos are read side by side, the network has one at a time."""

    restore: Restore
    enlarges: bool
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def process(self, item: Pair, *, is_again: bool) -> PairScore | InputError:  # noqa: ARG002 - as `Service`
        """Returns the scores of a pair, or why it has none."""
        from nsp_cli.batch import brought
        from nsp_cli.evaluation.folders import denoising_trial, enlarging_trial, evaluate

        make_trial = enlarging_trial if self.enlarges else denoising_trial
        try:
            with brought(item[0]) as noisy, brought(item[1]) as clean:
                (score,) = evaluate([(noisy, clean)], self._restored, make_trial)
        except InputError as error:
            return error
        return score

    def _restored(self, photo: Tensor) -> Tensor:
        from nsp_cli.restoration.view import View

        with self._turn:
            return self.restore(photo, None, View.of(photo)).pixels

    def stop(self) -> None:
        """Does nothing: a worker removes the photos that it brought when it ends."""


def score_pairs(
    pairs: Sequence[Pair], operation: Operation, machine: MachineOptions, cluster: str | None
) -> Generator[tuple[int, PairScore | InputError], None, None]:
    """Yields the index and the scores of each pair, or why it has none, as soon as they are known.

    Args:
        pairs: Noisy and clean photos.
        operation: What is scored.
        machine: Device, precision and tiles.
        cluster: "auto" or the address of a cluster; None for this machine.

    Raises:
        NspError: The network cannot be loaded, or the cluster cannot be joined.
    """
    grace = GRACE_SECONDS if cluster is None else CLUSTER_GRACE_SECONDS
    with ended_by_signals(grace):
        (restorer,) = load_restorers(operation, machine_that_asks(machine, cluster), share=False)
        if cluster is None:
            (worker, *_) = make_workers([restorer], operation)
            service = ScoringService(worker.restore, operation.enlarges)
            yield from ((index, service.process(pair, is_again=False)) for index, pair in enumerate(pairs))
            return
        with joined_cluster(cluster, operation, machine, restorer) as there:
            yield from _scored_there(pairs, operation, there)


def _scored_there(
    pairs: Sequence[Pair], operation: Operation, there: JoinedCluster
) -> Generator[tuple[int, PairScore | InputError], None, None]:
    from nsp_cli.batch import Address
    from nsp_cli.cluster import Farm, Request

    make = partial(_serve_scores, operation, there.machine)
    shared = [path.absolute() for path in pairs[0] if not isinstance(path, Address)]
    request = Request(make, there.checksums, shared)
    farm = Farm[Pair, "PairScore | InputError"](
        request,
        there.share,
        there.weights,
        _lost,
        on_refusal=console.show_error,
        on_wait=say_waiting,
    )
    yield from farm.run([(noisy.absolute(), clean.absolute()) for noisy, clean in pairs])


def _lost(pair: Pair, error: NspError) -> InputError:
    return InputError(f"{pair[0]}: {error.message}", error.hint)


def _serve_scores(operation: Operation, machine: MachineOptions, weights: Sequence[Path]) -> ScoringService:
    return ScoringService(workers_there(operation, machine, weights)[0].restore, operation.enlarges)
