"""Weights files: safetensors whose metadata alone rebuilds the network. They cannot carry code."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from nsp_cli.errors import WeightsError
from nsp_cli.files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nsp_cli.networks import NetworkConfig

WEIGHTS_FORMAT = "1"
DEFAULT_PD_FACTOR = 5
LARGEST_FILE = 2**30
"""Bytes; twenty times the paper's largest network. Nothing larger is downloaded or opened."""

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_LARGEST_HEADER = 2**22  # the paper's largest network needs a hundredth of it
_LARGEST_SETTING = 1024  # of a config; building thousands of modules would take minutes
_GET_OTHERS = "Fetch the file again, or choose other weights: nsp weights list."


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about itself; its numbers are not read.

    Attributes:
        metadata: Text by key, as written; nothing in it is checked.
        shapes: Tensor name → shape.
        dtypes: The safetensors names of the types that occur, such as F32.
    """

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: frozenset[str]

    @property
    def parameters(self) -> int:
        """Counts the numbers in the file."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file is, read from its header and found to be consistent.

    Attributes:
        network: A key of `NETWORKS`.
        config: Builds the network; `config.spec()` tells how to feed it.
        pd_factor: s, the patch side that the training pairs were cut with.
        metadata: Everything the file says, also what nsp does not use (data, licence, recipe).
        parameters: Numbers in the network.
        dtype: How they are stored; they are used as float32.
    """

    network: str
    config: NetworkConfig
    pd_factor: int
    metadata: dict[str, str]
    parameters: int
    dtype: str


def save_weights(
    path: Path,
    network: nn.Module,
    *,
    network_name: str,
    config: NetworkConfig,
    metadata: Mapping[str, str],
    half_precision: bool = False,
) -> None:
    """Writes a file that `load_network` turns into the same network, replacing what is there.

    A kill leaves either the old file or the new one.

    Args:
        path: Ends in .safetensors by convention; its folder exists.
        network: Built from `config`, on any device.
        network_name: A key of `NETWORKS`.
        config: Stored as JSON.
        metadata: Further text: pd_factor (s), name, licence, data, recipe. Format, network and
            config are set here.
        half_precision: Stores float16, half as large; the weights change by up to 0.05 %.

    Raises:
        WeightsError: A weight is not finite (in half precision: or above 65504).
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save

    from nsp_cli.weights.network_config import config_to_json

    stored = {name: _to_store(tensor, half_precision) for name, tensor in network.state_dict().items()}
    _check_finite(path, stored, "They diverged in training: use an earlier checkpoint.")
    own = {"nsp_format": WEIGHTS_FORMAT, "network": network_name, "config": config_to_json(config)}
    content = _with_sorted_metadata(save(stored, {**metadata, **own}))
    with replacing(path) as file:
        file.write(content)


def read_header(path: Path) -> Header:
    """Reads what any safetensors file says about itself, without torch.

    A file that is cut short or too long for its header is found out; changed numbers are not.

    Raises:
        WeightsError: The file is missing, unreadable, no safetensors or absurdly large.
    """
    try:
        _check_plausible(path)
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            dtypes = frozenset(part.get_dtype() for part in slices.values())
            return Header(dict(sorted((file.metadata() or {}).items())), shapes, dtypes)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such file", "See nsp weights list for names.") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: damaged, or not a safetensors file ({error})", _GET_OTHERS) from error


def _check_plausible(path: Path) -> None:
    """Refuses what would block, as a pipe does, or cost time and memory before anything can be checked."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise WeightsError(f"{path}: not a file", _GET_OTHERS)
    if status.st_size > LARGEST_FILE:
        raise too_large(str(path), status.st_size)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > _LARGEST_HEADER:
        raise WeightsError(
            f"{path}: damaged, or not a safetensors file (a header of {length} bytes)", _GET_OTHERS
        )


def too_large(what: str, size: int) -> WeightsError:
    """Makes the error for a weights file of `size` bytes, more than any network of nsp's needs."""
    return WeightsError(
        f"{what}: has {size / 1e9:.3g} GB; no network of nsp's needs {LARGEST_FILE / 1e9:.3g}", _GET_OTHERS
    )


def describe_weights(path: Path) -> WeightsInfo:
    """Reads and checks what a weights file says about itself, down to every tensor's shape.

    Raises:
        WeightsError: The file is missing, damaged, not nsp's, or contradicts itself.
    """
    header = read_header(path)
    metadata = header.metadata
    _check_format(path, metadata)
    config = _check_network(path, header)
    return WeightsInfo(
        network=metadata["network"],
        config=config,
        pd_factor=_read_pd_factor(path, metadata),
        metadata=metadata,
        parameters=header.parameters,
        dtype=" and ".join(sorted(_DTYPES[dtype] for dtype in header.dtypes)),
    )


def load_network(path: Path) -> tuple[nn.Module, WeightsInfo]:
    """Rebuilds the network of a weights file: on the CPU, float32, ready for inference.

    Nothing is allocated before the file's shapes are known to fit the network it claims to be.

    Raises:
        WeightsError: As for `describe_weights`; also if a weight is not finite.
    """
    from safetensors.torch import load_file

    info = describe_weights(path)
    try:
        state = load_file(path, device="cpu")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})", _GET_OTHERS) from error
    _check_finite(path, state, _GET_OTHERS)
    network = info.config.build().float()
    network.load_state_dict(state, strict=True)
    return network.eval(), info


def _to_store(tensor: Tensor, half_precision: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    # The file's order is row by row, whatever the network's memory format is.
    return (tensor.half() if half_precision else tensor.float()).contiguous().clone()


def _with_sorted_metadata(content: bytes) -> bytes:
    """Puts the metadata in order, which the library leaves to chance: equal weights, equal sha256."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the format wants the numbers aligned
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _check_finite(path: Path, state: Mapping[str, Tensor], hint: str) -> None:
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise WeightsError(f"{path}: {name} holds values that are not finite", hint)


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    found = metadata.get("nsp_format")
    if found is None:
        raise WeightsError(
            f"{path}: not made by nsp (its metadata has no nsp_format)",
            "Weights that the authors published as .pth are converted by nsp weights import.",
        )
    if found != WEIGHTS_FORMAT:
        raise WeightsError(
            f"{path}: its format is {found}, this nsp reads {WEIGHTS_FORMAT}",
            "Update: pip install -U nsp-cli",
        )


def _check_network(path: Path, header: Header) -> NetworkConfig:
    from nsp_cli.weights.network_config import check_shapes, config_from_json

    if not header.dtypes <= _DTYPES.keys():
        others = ", ".join(sorted(header.dtypes - _DTYPES.keys()))
        raise WeightsError(f"{path}: holds values of type {others}, which no network has", _GET_OTHERS)
    # A config's numbers count tensors or are sizes, and the file shows both.
    limit = max([len(header.shapes), *(side for shape in header.shapes.values() for side in shape)])
    limit = min(limit, _LARGEST_SETTING)  # a tensor without numbers may state any side
    try:
        config = config_from_json(
            header.metadata.get("network", ""), header.metadata.get("config", ""), limit=limit
        )
        check_shapes(config, header.shapes)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}", _GET_OTHERS) from error
    return config


def _read_pd_factor(path: Path, metadata: Mapping[str, str]) -> int:
    text = metadata.get("pd_factor", str(DEFAULT_PD_FACTOR))
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise WeightsError(f"{path}: its pd_factor is {text!r}, not a positive number", _GET_OTHERS)
    return int(text[:9])
