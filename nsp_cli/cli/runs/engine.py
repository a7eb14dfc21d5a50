"""The network that a command runs, from the options that name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nsp_cli.cli import console
from nsp_cli.cli.runs.methods import Method
from nsp_cli.errors import WeightsError

if TYPE_CHECKING:
    from nsp_cli.batch import Worker
    from nsp_cli.restoration.inference import Restorer

_PER_GPU = 2


@dataclass(frozen=True)
class Engine:
    """The network and where it runs, by the names that the options gave.

    Attributes:
        model: Weights by name, path or address.
        device: Such as "auto".
        precision: Such as "auto".
        tile: Side of a tile's core; None chooses.
        factor: Refuse weights that enlarge otherwise; None takes any.
    """

    model: str
    device: str
    precision: str
    tile: int | None
    factor: int | None = None


def load_restorers(engine: Engine, method: Method, *, share: bool) -> list[Restorer]:
    """Loads the network, onto every GPU where photos are to be shared.

    Raises:
        WeightsError: The weights cannot be had, or cannot do what is asked for.
        DeviceError: A device is absent.
    """
    from nsp_cli.device import all_devices

    names = all_devices(engine.device) if share else [engine.device]
    restorers = [
        load_restorer(engine.model, name, engine.precision, engine.tile, is_said=name == names[0])
        for name in names
    ]
    _check(restorers[0], engine, method)
    return restorers


def _check(restorer: Restorer, engine: Engine, method: Method) -> None:
    model, scale = engine.model, restorer.spec.scale
    if restorer.metadata.get("recommended") == "no":
        console.warn(f"{model}: nsp train did not find these weights better than the stock ones.")
    if method.enlarges and scale == 1:
        raise WeightsError(
            f"{model}: this network does not enlarge.", "Leave out --model, or see nsp weights list."
        )
    if engine.factor not in (None, scale):
        raise WeightsError(
            f"{model}: these weights enlarge {scale}-fold, not {engine.factor}-fold.", "Leave out --x2."
        )
    check_kind(restorer, model, is_blind_spot=method.is_blind_spot)


def check_kind(restorer: Restorer, model: str, *, is_blind_spot: bool) -> None:
    """Passes if the network can do what is asked for.

    Raises:
        WeightsError: It is a student, and the paper's way was asked for.
    """
    if is_blind_spot and not restorer.spec.is_blind_spot:
        raise WeightsError(
            f"{model}: a student, not a blind-spot network; the paper's passes are not for it.",
            "Leave out --model, or give --model nsp-light.",
        )


def load_restorer(
    model: str, device: str, precision: str, tile: int | None, *, is_said: bool = True
) -> Restorer:
    """Loads weights as `nsp_cli.load_weights` does, showing a download's progress, or what was chosen."""
    from nsp_cli.api import load_weights
    from nsp_cli.weights.manifest import AUTOMATIC, load_manifest

    if model in AUTOMATIC and is_said:
        chosen = load_manifest().find(model)
        console.say(f"Model {chosen.name}: {chosen.summary}")
    with console.download_progress(f"Fetching {model}") as on_download:
        return load_weights(model, device=device, precision=precision, tile=tile, on_download=on_download)


def workers_of(restorers: Sequence[Restorer], method: Method) -> list[Worker]:
    """Makes workers of networks on their devices; a GPU gets two.

    Much of a photo's time goes to measuring and recovery on the CPU. While one photo is there, the other
    has the GPU: for small photos that is worth more than putting several into one batch.
    """
    return [
        worker_of(restorer, method)
        for restorer in restorers
        for _ in range(_PER_GPU if restorer.execution.device.type == "cuda" else 1)
    ]


def worker_of(restorer: Restorer, method: Method) -> Worker:
    """Makes a worker of a network on its device."""
    from nsp_cli.batch import Worker
    from nsp_cli.device import describe_device, describe_precision

    execution = restorer.execution
    return Worker(
        partial(method.restore, restorer),
        describe_device(execution.device),
        describe_precision(execution.precision),
    )
