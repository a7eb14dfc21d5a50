"""Writes a network as ONNX, after comparing its results with torch's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsp_cli import __version__
from nsp_cli.errors import DeviceError, OutputError
from nsp_cli.export.interface import any_size, interface_of, random_inputs, tiling_of, try_sizes
from nsp_cli.files import check_target, replacing
from nsp_cli.networks import NetworkSpec
from nsp_cli.networks.unet import from_planes
from nsp_cli.resources import available_memory
from nsp_cli.weights.file import WeightsInfo, load_network
from nsp_cli.weights.resolve import ResolvedWeights

# The oldest that torch writes without converting, for the sake of older programs.
OPSET = 18
# Largest difference from torch, relative to the largest value.
_TOLERANCE = 1e-5
# Torch and onnxruntime hold about as much each, and some is already in use.
_MEMORY_FACTOR = 3


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        spec: How to feed the network.
        difference: Largest difference from torch on random pictures, relative to the largest value; None if
            onnxruntime is not installed.
        sizes: Heights and widths of these pictures.
    """

    spec: NetworkSpec
    difference: float | None
    sizes: list[tuple[int, int]]


def check_libraries() -> None:
    """Makes sure that ONNX files can be made.

    Raises:
        OutputError: A library is missing.
    """
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise OutputError(
            f"ONNX files need {' and '.join(missing)}, which nsp installs only if asked.",
            'Install it: pip install "nsp-cli[onnx]"',
        )


def export_onnx(
    weights: ResolvedWeights, target: Path, *, size: tuple[int, int] | None = None, overwrite: bool = False
) -> Exported:
    """Writes the network of some weights as an ONNX file, whole or not at all.

    Args:
        weights: The weights.
        target: The file to write.
        size: Height and width that the network will take; None for any.
        overwrite: Whether an existing file may be replaced.

    Raises:
        WeightsError: The weights cannot be read.
        OutputError: A library is missing, the size does not suit the network, the file's results differ from
            torch's, or it cannot be written.
        DeviceError: A picture of this size does not fit in memory.
    """
    check_libraries()
    check_target(target, source=weights.path, overwrite=overwrite)
    network, info = load_network(weights.path)
    spec = info.config.spec()
    if size:
        _check_size(spec, *size)
    if spec.is_noise_estimator:
        network = _Levels(network)
    sizes = [size] if size else try_sizes(spec.input_multiple)
    tried = [random_inputs(spec, *each, seed) for seed, each in enumerate(sizes)]
    # Before the network is traced, because what it keeps between calls must not come from tracing.
    with torch.no_grad():
        expected = [network(*inputs) for inputs in tried]
    model = _traced(network, tried[0], spec, is_any_size=size is None)
    _describe(model, weights, info, size)
    content = model.SerializeToString()
    difference = _largest_difference(content, tried, expected)
    if difference is not None and not difference <= _TOLERANCE:
        raise OutputError(
            f"{target} was not written: it differs from torch by {difference:.1g} of the largest value.",
            "Please report it, with the output of nsp doctor.",
        )
    with replacing(target, overwrite=overwrite) as file:
        file.write(content)
    return Exported(spec, difference, sizes)


class _Levels(nn.Module):
    """A noise estimator whose answer is what the networks that are told of noise take."""

    def __init__(self, estimator: nn.Module) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, x: Tensor) -> Tensor:
        return from_planes(self.estimator(x))


def _check_size(spec: NetworkSpec, height: int, width: int) -> None:
    step = spec.input_multiple
    if height % step or width % step:
        larger = "x".join(str(-(-side // step) * step) for side in (width, height))
        raise OutputError(
            f"This network takes sides that are multiples of {step}, not {width}×{height}.",
            f"Use --size {larger}, or leave it out.",
        )
    if _MEMORY_FACTOR * height * width * spec.values_per_pixel * torch.float32.itemsize > available_memory():
        raise DeviceError(
            f"A picture of {width}×{height} pixels does not fit in memory, so the file could not be checked.",
            "Use a smaller --size and tiles, or leave it out.",
        )


def _traced(network: nn.Module, inputs: tuple[Tensor, ...], spec: NetworkSpec, *, is_any_size: bool) -> Any:
    """The network as an ONNX model."""
    interface = interface_of(spec)
    with _silence(), torch.no_grad():
        program = torch.onnx.export(
            network,
            inputs,
            input_names=[*interface.inputs],
            output_names=[interface.output],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=any_size(spec) if is_any_size else None,
            external_data=False,
            verbose=False,
        )
    assert program is not None  # torch returns none only where it writes the file itself
    return program.model_proto


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps torch from telling of what concerns its developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _describe(model: Any, weights: ResolvedWeights, info: WeightsInfo, size: tuple[int, int] | None) -> None:
    """Puts into the model what its users must know, and takes out where torch lies on this machine."""
    from onnx import helper

    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    spec = info.config.spec()
    interface = interface_of(spec)
    told = {
        "nsp_version": __version__,
        "name": weights.name,
        "sha256": weights.sha256,
        "licence": info.metadata.get("licence", "unknown"),
        "network": info.network,
        "opset": str(OPSET),
        "size": f"{size[1]}x{size[0]}" if size else "any",
        "scale": str(spec.scale),
        "input_multiple": str(spec.input_multiple),
        "radius": str(spec.radius),
        "tiling": tiling_of(spec),
    }
    told |= {f"input {name}": meaning for name, meaning in interface.inputs.items()}
    told[f"output {interface.output}"] = interface.meaning
    helper.set_model_props(model, told)


def _largest_difference(
    content: bytes, tried: Sequence[tuple[Tensor, ...]], expected: Sequence[Tensor]
) -> float | None:
    """As in `Exported`."""
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    differences = []
    for inputs, right in zip(tried, expected, strict=True):
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        answer = torch.from_numpy(session.run(None, given)[0])
        differences.append(float((answer - right).abs().max() / right.abs().max()))
    return max(differences)
