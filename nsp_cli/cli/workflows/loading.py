"""Loads the network that a command runs, onto the devices that its options name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options.groups import MachineOptions
from nsp_cli.cli.workflows.operations import Operation
from nsp_cli.errors import WeightsError
from nsp_cli.ops.progress import OnProgress

if TYPE_CHECKING:
    from nsp_cli.batch import Demosaiced, WeightsFile, Worker
    from nsp_cli.photo import Mosaic
    from nsp_cli.restoration.execution import Execution
    from nsp_cli.restoration.inference import Restorer

_WORKERS_PER_GPU = 2


def settled(operation: Operation) -> Operation:
    """The operation with named weights for RAW in their place.

    Photos that are not RAW then get what they get without a name.

    Raises:
        WeightsError: The weights cannot be found or trusted.
    """
    from nsp_cli.weights.manifest import AUTOMATIC

    model = operation.model
    if model in AUTOMATIC or operation.is_blind_spot or not raw_model_of(model):
        return operation
    return replace(operation, model="auto-upscale" if operation.enlarges else "auto", raw_model=model)


def raw_model_of(model: str) -> str:
    """Weights for camera RAW that the user means by the name of some weights; empty if they are not for it.

    Raises:
        WeightsError: The weights cannot be found or trusted.
    """
    from nsp_cli.weights.file import describe_weights
    from nsp_cli.weights.manifest import AUTOMATIC
    from nsp_cli.weights.resolve import resolve

    if model in AUTOMATIC:
        return "auto-raw" if model in ("auto", "auto-raw") else ""
    with progress_bars.download_progress(f"Fetching {model}") as on_download:
        path = resolve(model, on_progress=on_download).path
    return model if describe_weights(path).config.spec().is_raw else ""


def raw_weights(operation: Operation) -> WeightsFile | None:
    """An operation's weights for camera RAW; None if it has none."""
    from nsp_cli.batch import WeightsFile
    from nsp_cli.weights.resolve import resolve

    if not operation.raw_model:
        return None
    found = resolve(operation.raw_model)
    return WeightsFile(found.name, found.sha256)


def load_restorers(
    operation: Operation, machine: MachineOptions, *, share: bool, announce: bool = True
) -> list[Restorer]:
    """The network of an operation, once for each device.

    Args:
        operation: What to do, and with which weights.
        machine: Device, precision and tiles.
        share: Load onto every GPU, for several photos.
        announce: Say which weights were chosen.

    Raises:
        WeightsError: The weights cannot be loaded, or do not suit the operation.
        DeviceError: A device is not available.
    """
    from nsp_cli.device import all_devices

    names = all_devices(machine.device) if share else [machine.device]
    restorers = [
        _load_onto(name, operation.model, machine, announce=announce and name == names[0]) for name in names
    ]
    _check(restorers[0], operation)
    return restorers


def load_restorer(model: str, machine: MachineOptions, *, is_raw: bool = False) -> Restorer:
    """The network of some weights, as `nsp_cli.load_weights` loads it; shows a download's progress.

    Raises:
        WeightsError: As for `load_weights`, or the weights are for camera RAW and the photo is not.
    """
    restorer = _load_onto(machine.device, model, machine, announce=True)
    if not is_raw:
        _check_pictures(restorer, model)
    return restorer


def _load_onto(device: str, model: str, machine: MachineOptions, *, announce: bool) -> Restorer:
    from nsp_cli.api import load_weights
    from nsp_cli.weights.manifest import AUTOMATIC, load_manifest

    if model in AUTOMATIC and announce:
        chosen = load_manifest().find(model)
        console.say(f"Model {chosen.name}: {chosen.summary}")
    with progress_bars.download_progress(f"Fetching {model}") as on_download:
        return load_weights(
            model, device=device, precision=machine.precision, tile=machine.tile, on_download=on_download
        )


def _check_pictures(restorer: Restorer, model: str) -> None:
    if restorer.spec.is_raw:
        raise WeightsError(
            f"{model}: these weights are for photos of a Bayer sensor, and this is none.",
            "Leave out --model, or choose other weights from nsp weights list.",
        )


def _check(restorer: Restorer, operation: Operation) -> None:
    model, scale = operation.model, restorer.spec.scale
    _check_pictures(restorer, model)
    _warn_if_worse(model, restorer.metadata)
    if operation.enlarges and scale == 1:
        raise WeightsError(
            f"{model}: this network does not enlarge.",
            "Leave out --model, or choose other weights from nsp weights list.",
        )
    if operation.scale not in (None, scale):
        raise WeightsError(
            f"{model}: these weights enlarge {scale}-fold, not {operation.scale}-fold.", "Leave out --x2."
        )
    if operation.is_blind_spot and not restorer.spec.is_blind_spot:
        raise WeightsError(
            f"{model}: this network is a student. The paper's method needs a blind-spot network.",
            "Leave out --model, or use --model nsp-light.",
        )


def _warn_if_worse(model: str, metadata: Mapping[str, str]) -> None:
    if metadata.get("recommended") == "no":
        console.warn(
            f"{model}: nsp train did not find these weights better than those it compared them with."
        )


def make_workers(
    restorers: Sequence[Restorer], operation: Operation, *, load_raw: Callable[[], Restorer] | None = None
) -> list[Worker]:
    """Workers for networks on their devices, two for each GPU.

    Much of a photo's time goes to noise estimation and detail recovery on the CPU. While one photo is there,
    the other has the GPU. For small photos that is worth more than batches of several.

    Args:
        restorers: The networks.
        operation: What to do.
        load_raw: As in `make_worker`.
    """
    return [
        make_worker(restorer, operation, load_raw=load_raw)
        for restorer in restorers
        for _ in range(_WORKERS_PER_GPU if restorer.execution.device.type == "cuda" else 1)
    ]


def make_worker(
    restorer: Restorer, operation: Operation, *, load_raw: Callable[[], Restorer] | None = None
) -> Worker:
    """A worker for a network on its device.

    Args:
        restorer: The network.
        operation: What to do.
        load_raw: Loads the network for camera RAW when the first such photo needs it; None to find it by the
            operation's name for it.
    """
    from nsp_cli.batch import Worker
    from nsp_cli.device import describe_device, describe_precision

    execution = restorer.execution
    load_raw = load_raw or cache(partial(_load_raw, operation.raw_model, execution))
    return Worker(
        partial(operation.process, restorer),
        describe_device(execution.device),
        describe_precision(execution.precision),
        partial(_demosaic, operation, load_raw) if operation.raw_model else None,
        operation.enlarges,
    )


def _load_raw(model: str, execution: Execution) -> Restorer:
    from nsp_cli.restoration.inference import Restorer
    from nsp_cli.weights.file import load_network
    from nsp_cli.weights.resolve import resolve

    weights = resolve(model)
    console.say(f"Camera RAW: {weights.name} works on what the sensor saw.")
    network, info = load_network(weights.path)
    _warn_if_worse(weights.name, info.metadata)
    return Restorer(network, info.config.spec(), execution, info.metadata, weights)


def _demosaic(
    operation: Operation, load_raw: Callable[[], Restorer], mosaic: Mosaic, on_progress: OnProgress | None
) -> Demosaiced:
    """Works on what a Bayer sensor saw."""
    assert operation.demosaic is not None
    return operation.demosaic(load_raw(), mosaic, on_progress)
