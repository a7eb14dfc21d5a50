"""Runs on a Ray cluster: what --cluster changes about a run over photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.cli.options.groups import MachineOptions
from nsp_cli.cli.workflows.loading import make_workers
from nsp_cli.cli.workflows.operations import Operation
from nsp_cli.ops.progress import OnProgress, counted

if TYPE_CHECKING:
    from nsp_cli.batch import Job, Pipeline, RunSettings, StreamingPipeline, Worker
    from nsp_cli.batch.on_cluster import ClusterPipeline, PhotoService, SpeedService
    from nsp_cli.cluster import Share
    from nsp_cli.restoration.inference import Restorer
    from nsp_cli.weights.resolve import ResolvedWeights

OnBegin = Callable[[int, "Job"], OnProgress]
# Makes a run from the function that is called when a photo's work begins.
Start = Callable[[OnBegin], "Pipeline | StreamingPipeline | ClusterPipeline"]


def machine_that_asks(machine: MachineOptions, cluster: str | None) -> MachineOptions:
    """Where the weights are loaded to be checked: with a cluster, the machine of the user needs no GPU.

    Raises:
        DeviceError: Ray is not installed. This is said before any weights are fetched.
    """
    if cluster is None:
        return machine
    from nsp_cli.cluster import check_installed

    check_installed()
    return replace(machine, device="cpu")


@dataclass(frozen=True)
class JoinedCluster:
    """A cluster that this process is connected to.

    Attributes:
        share: What each worker takes of its node.
        machine: Device, precision and tiles for the workers.
        weights: Files to send to the nodes, those for camera RAW second.
        checksums: sha256 of each.
    """

    share: Share
    machine: MachineOptions
    weights: Sequence[Path]
    checksums: Sequence[str]


@contextmanager
def joined_cluster(
    address: str, operation: Operation, machine: MachineOptions, restorer: Restorer
) -> Iterator[JoinedCluster]:
    """Connects to a cluster while the block runs.

    Args:
        address: "auto", or host:port of a cluster's head.
        operation: What to do.
        machine: Device, precision and tiles for the workers.
        restorer: The network of the operation, from the file to send.

    Raises:
        DeviceError: The cluster cannot be joined, or does not have the device.
    """
    from nsp_cli.cluster import choose_share, connected

    sent = _weights_to_send(operation, restorer)
    with connected(address):
        share = choose_share(machine.device)
        console.say(f"Cluster {address}: room for {counted(share.slots(), 'worker')}")
        yield JoinedCluster(
            share,
            replace(machine, device="cuda" if share.gpus else machine.device),
            [weights.path for weights in sent],
            [weights.sha256 for weights in sent],
        )


@contextmanager
def on_cluster(
    address: str,
    jobs: Sequence[Job],
    settings: RunSettings,
    operation: Operation,
    machine: MachineOptions,
    restorer: Restorer,
) -> Iterator[tuple[Start, Callable[[], float]]]:
    """Connects to a cluster for photos while the block runs; arguments and errors as for `joined_cluster`.

    Yields:
        A function that makes the run, and one that measures how many seconds a megapixel takes the cluster.
    """
    from nsp_cli.batch.on_cluster import ClusterPipeline, measured_speed, request_for

    with joined_cluster(address, operation, machine, restorer) as there:
        photos = partial(_serve_photos, operation, settings, there.machine)
        request = request_for(photos, there.checksums, jobs)
        speed = request_for(partial(_serve_speed, operation, there.machine), there.checksums, jobs)
        yield (
            lambda begin: ClusterPipeline(
                request, there.share, there.weights, begin, console.show_error, say_waiting
            ),
            lambda: measured_speed(speed, there.share, there.weights),
        )


def say_waiting() -> None:
    """Says why nothing happens."""
    console.say("No worker is free: other runs have them, or machines are gone. nsp waits; Ctrl-C ends it.")


def _weights_to_send(operation: Operation, restorer: Restorer) -> list[ResolvedWeights]:
    """The weights of an operation, those for camera RAW second if it has them."""
    from nsp_cli.weights.resolve import resolve

    assert restorer.weights is not None  # load_weights names them
    return [restorer.weights, *([resolve(operation.raw_model)] if operation.raw_model else [])]


def _serve_photos(
    operation: Operation, settings: RunSettings, machine: MachineOptions, weights: Sequence[Path]
) -> PhotoService:
    """The work on photos in a cluster's worker, made in its process."""
    from nsp_cli.batch import Pipeline
    from nsp_cli.batch.on_cluster import PhotoService

    workers = workers_there(operation, machine, weights)
    return PhotoService(Pipeline(settings, workers, lambda _index, _job: lambda _done, _total: None))


def _serve_speed(operation: Operation, machine: MachineOptions, weights: Sequence[Path]) -> SpeedService:
    """The measurement of a cluster's worker, made in its process."""
    from nsp_cli.batch.on_cluster import SpeedService

    return SpeedService(workers_there(operation, machine, weights)[0].restore)


def workers_there(operation: Operation, machine: MachineOptions, weights: Sequence[Path]) -> list[Worker]:
    """Workers from files of weights, those for camera RAW second."""
    from nsp_cli.api import load_weights

    restorer, *raw = (
        load_weights(str(path), device=machine.device, precision=machine.precision, tile=machine.tile)
        for path in weights
    )
    return make_workers([restorer], operation, load_raw=lambda: raw[0])
